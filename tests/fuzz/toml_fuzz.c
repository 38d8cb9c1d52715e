/* Settings from any bytes: parsed or refused with a place, and what was parsed can be printed. */
#include "base/config.h"

static const struct lh_config_key fields[] = {
    {.name = "name", .kind = LH_CONFIG_STR, .doc = "A name."},
    {.name = "size", .kind = LH_CONFIG_SIZE, .def = "1KiB", .doc = "A size."},
    {0}};
static const struct lh_config_key keys[] = {
    {.name = "a.text", .kind = LH_CONFIG_STR, .def = "x", .doc = "A text."},
    {.name = "a.number",
     .kind = LH_CONFIG_I64,
     .def = "1",
     .min = 0,
     .max = 10,
     .doc = "A number."},
    {.name = "a.part", .kind = LH_CONFIG_F64, .def = "0.5", .doc = "A part."},
    {.name = "a.flag", .kind = LH_CONFIG_BOOL, .def = "true", .doc = "A flag."},
    {.name = "a.size", .kind = LH_CONFIG_SIZE, .def = "1MiB", .doc = "A size."},
    {.name = "a.time", .kind = LH_CONFIG_DURATION, .def = "1s", .doc = "A time."},
    {.name = "a.list", .kind = LH_CONFIG_LIST, .doc = "A list."},
    {.name = "bucket", .kind = LH_CONFIG_TABLES, .fields = fields, .doc = "Buckets."},
    {0}};
static const struct lh_config_key *const tables[] = {keys, NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    LH_AUTO_ERROR(err);
    LH_AUTO(lh_config) *config = NULL;

    if (lh_config_parse(tables, (lh_str){(const char *)data, size}, "fuzz", &config, &err) !=
        LH_OK) {
        if (err.text[0] == '\0')
            __builtin_trap();
        return 0;
    }
    LH_AUTO_BUF(out, (size_t)1 << 24);
    lh_config_print(config, &out);
    return 0;
}
