#include "engine/record_scan.h"

#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/common/exception.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>
#include <duckdb/execution/partition_info.hpp>
#include <duckdb/function/table_function.hpp>
#include <duckdb/parser/parsed_data/create_table_function_info.hpp>

#include <mutex>
#include <unordered_map>

namespace
{

/* Ids instead of addresses in SQL text: a stale one is an error and not a crash. */
struct Registry {
    std::mutex lock;
    std::unordered_map<uint64_t, const record_scan *> scans;
    uint64_t last = 0;
};

Registry &
registry()
{
    static Registry r;
    return r;
}

const record_scan *
scan_find(uint64_t id)
{
    Registry &r = registry();
    std::lock_guard<std::mutex> hold(r.lock);
    auto at = r.scans.find(id);
    return at == r.scans.end() ? nullptr : at->second;
}

struct ScanBind : public duckdb::TableFunctionData {
    const record_scan *scan = nullptr;
};

struct ScanGlobal : public duckdb::GlobalTableFunctionState {
    idx_t threads = 1;

    idx_t MaxThreads() const override
    {
        return threads;
    }
};

struct ScanLocal : public duckdb::LocalTableFunctionState {
    const record_scan *scan = nullptr;
    void *local = nullptr;
    uint64_t batch = 0;

    ~ScanLocal() override
    {
        scan->local_free(local);
    }
};

duckdb::unique_ptr<duckdb::FunctionData>
scan_bind(duckdb::ClientContext &, duckdb::TableFunctionBindInput &input,
          duckdb::vector<duckdb::LogicalType> &types, duckdb::vector<duckdb::string> &names)
{
    auto bind = duckdb::make_uniq<ScanBind>();
    bind->scan = scan_find(static_cast<uint64_t>(input.inputs[0].GetValue<int64_t>()));
    if (!bind->scan)
        throw duckdb::BinderException("no such record scan");
    for (size_t i = 0; i < bind->scan->column_count; i++) {
        types.push_back(*reinterpret_cast<duckdb::LogicalType *>(bind->scan->types[i]));
        names.push_back(bind->scan->names[i]);
    }
    return std::move(bind);
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState>
scan_global(duckdb::ClientContext &, duckdb::TableFunctionInitInput &input)
{
    auto global = duckdb::make_uniq<ScanGlobal>();
    global->threads = input.bind_data->Cast<ScanBind>().scan->threads_max;
    return std::move(global);
}

duckdb::unique_ptr<duckdb::LocalTableFunctionState>
scan_local(duckdb::ExecutionContext &, duckdb::TableFunctionInitInput &input,
           duckdb::GlobalTableFunctionState *)
{
    auto local = duckdb::make_uniq<ScanLocal>();
    local->scan = input.bind_data->Cast<ScanBind>().scan;
    local->local = local->scan->local_new(local->scan->self);
    return std::move(local);
}

void
scan_fill(duckdb::ClientContext &context, duckdb::TableFunctionInput &input,
          duckdb::DataChunk &output)
{
    auto &local = input.local_state->Cast<ScanLocal>();
    size_t rows = 0;
    struct lh_error err = {};

    lh_status status =
        local.scan->fill(local.local, reinterpret_cast<record_scan_context *>(&context),
                         reinterpret_cast<duckdb_data_chunk>(&output), &rows, &local.batch, &err);
    std::string text = err.text;
    lh_error_clear(&err);
    if (status != LH_OK)
        throw duckdb::InvalidInputException("record scan: " + text);
    output.SetCardinality(rows);
}

duckdb::OperatorPartitionData
scan_partition(duckdb::ClientContext &, duckdb::TableFunctionGetPartitionInput &input)
{
    if (input.partition_info.RequiresPartitionColumns())
        throw duckdb::InternalException("record scan: no partition columns");
    return duckdb::OperatorPartitionData(input.local_state->Cast<ScanLocal>().batch);
}

} // namespace

lh_status
record_scan_install(duckdb_connection connection, struct lh_error *err)
{
    try {
        auto *con = reinterpret_cast<duckdb::Connection *>(connection);
        duckdb::TableFunction function("lh_records", {duckdb::LogicalType::BIGINT}, scan_fill,
                                       scan_bind, scan_global, scan_local);
        function.get_partition_data = scan_partition;
        duckdb::CreateTableFunctionInfo info(function);
        info.on_conflict = duckdb::OnCreateConflict::IGNORE_ON_CONFLICT;
        con->context->RunFunctionInTransaction([&]() {
            duckdb::Catalog::GetSystemCatalog(*con->context)
                .CreateTableFunction(*con->context, info);
        });
        return LH_OK;
    } catch (std::exception &e) {
        return lh_fail(err, LH_BUG, "engine.record_scan", "registering lh_records: %s", e.what());
    }
}

uint64_t
record_scan_add(const struct record_scan *scan)
{
    Registry &r = registry();
    std::lock_guard<std::mutex> hold(r.lock);
    r.scans[++r.last] = scan;
    return r.last;
}

void
record_scan_remove(uint64_t id)
{
    Registry &r = registry();
    std::lock_guard<std::mutex> hold(r.lock);
    r.scans.erase(id);
}

bool
record_scan_cast(struct record_scan_context *context, duckdb_vector from, duckdb_vector to,
                 size_t count)
{
    try {
        std::string message;
        duckdb::VectorOperations::TryCast(*reinterpret_cast<duckdb::ClientContext *>(context),
                                          *reinterpret_cast<duckdb::Vector *>(from),
                                          *reinterpret_cast<duckdb::Vector *>(to), count, &message);
        return true;
    } catch (std::exception &) {
        return false;
    }
}

void
record_scan_keep(duckdb_data_chunk chunk, const uint32_t *rows, size_t count)
{
    auto *data = reinterpret_cast<duckdb::DataChunk *>(chunk);
    duckdb::SelectionVector sel(count ? count : 1);
    for (size_t i = 0; i < count; i++)
        sel.set_index(i, rows[i]);
    data->Slice(sel, count);
}
