/* C headers of this folder know nothing of C++: what they include comes first, then they are
 * declared as C. */
#include <cstdbool>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>

extern "C" {
#include "base/toml.h"
}

#include <toml++/toml.h>

namespace
{

base_toml_place
place_of(const toml::source_region &region)
{
    return {region.begin.line, region.begin.column};
}

lh_str
view_of(std::string_view s)
{
    return {s.data(), s.size()};
}

class Walk
{
  public:
    Walk(base_toml_visit *visit, void *arg, lh_error *err) : visit_(visit), arg_(arg), err_(err)
    {
    }

    lh_status table(const toml::table &t, const std::string &prefix) const
    {
        for (auto &&[key, node] : t) {
            std::string path =
                prefix.empty() ? std::string(key.str()) : prefix + "." + std::string(key.str());
            if (const toml::table *inner = node.as_table())
                LH_TRY(table(*inner, path));
            else
                LH_TRY(value(node, path, place_of(key.source())));
        }
        return LH_OK;
    }

  private:
    lh_status value(const toml::node &node, const std::string &path, base_toml_place key) const
    {
        base_toml_item item{};

        item.path = view_of(path);
        item.key = key;
        item.value = place_of(node.source());
        if (const toml::array *a = node.as_array())
            return a->is_array_of_tables() ? tables(*a, path, item) : list(*a, path, item);
        if (const toml::table *t = node.as_table())
            return one_table(*t, item);
        return scalar(node, item);
    }

    lh_status scalar(const toml::node &node, base_toml_item &item) const
    {
        if (const auto *s = node.as_string()) {
            item.kind = BASE_TOML_STR;
            item.str = view_of(s->get());
        } else if (const auto *i = node.as_integer()) {
            item.kind = BASE_TOML_I64;
            item.i64 = i->get();
        } else if (const auto *f = node.as_floating_point()) {
            item.kind = BASE_TOML_F64;
            item.f64 = f->get();
        } else if (const auto *b = node.as_boolean()) {
            item.kind = BASE_TOML_BOOL;
            item.i64 = b->get() ? 1 : 0;
        } else {
            item.kind = BASE_TOML_DATE;
        }
        return visit_(arg_, &item, err_);
    }

    lh_status list(const toml::array &a, const std::string &path, base_toml_item &item) const
    {
        item.kind = BASE_TOML_LIST_BEGIN;
        LH_TRY(visit_(arg_, &item, err_));
        for (const toml::node &element : a)
            LH_TRY(value(element, path, item.key));
        item.kind = BASE_TOML_LIST_END;
        return visit_(arg_, &item, err_);
    }

    lh_status tables(const toml::array &a, const std::string &path, base_toml_item &item) const
    {
        item.path = view_of(path);
        for (const toml::node &element : a) {
            item.value = place_of(element.source());
            LH_TRY(one_table(*element.as_table(), item));
        }
        return LH_OK;
    }

    lh_status one_table(const toml::table &t, base_toml_item &item) const
    {
        item.kind = BASE_TOML_TABLE_BEGIN;
        LH_TRY(visit_(arg_, &item, err_));
        LH_TRY(table(t, std::string()));
        item.kind = BASE_TOML_TABLE_END;
        return visit_(arg_, &item, err_);
    }

    base_toml_visit *visit_;
    void *arg_;
    lh_error *err_;
};

lh_status
walk(lh_str text, const char *name, const Walk &w, lh_error *err)
{
    try {
        std::string_view view =
            text.len > 0 ? std::string_view(text.ptr, text.len) : std::string_view();
        return w.table(toml::parse(view, std::string_view(name)), std::string());
    } catch (const toml::parse_error &e) {
        base_toml_place at = place_of(e.source());
        return lh_fail(err, LH_INVALID, "config.syntax", "%s:%u:%u: %.*s", name, at.line, at.column,
                       static_cast<int>(e.description().size()), e.description().data());
    }
}

} // namespace

extern "C" lh_status
base_toml_walk(lh_str text, const char *name, base_toml_visit *visit, void *arg, lh_error *err)
{
    try {
        return walk(text, name, Walk(visit, arg, err), err);
    } catch (const std::exception &e) {
        return lh_fail(err, LH_BUG, "config.syntax", "%s: %s", name, e.what());
    }
}
