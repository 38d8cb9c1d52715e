/*
 * What the C API of DuckDB does not offer: state tied to a connection's context, a replacement scan
 * that sees the context, and the position of an error.
 *
 * DuckDB asks replacement scans for names that its own catalog does not know, and gives them the
 * context. So two statements that run side by side resolve the same name to different objects, and
 * nothing is created or dropped for either.
 */
#include "engine/bridge.hpp"

#include <cstdio>
#include <cstdlib>

#include "duckdb/main/capi/capi_internal.hpp"
#include "duckdb/main/client_context_state.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/function/replacement_scan.hpp"
#include "duckdb/parser/expression/comparison_expression.hpp"
#include "duckdb/parser/expression/columnref_expression.hpp"
#include "duckdb/parser/expression/constant_expression.hpp"
#include "duckdb/parser/expression/function_expression.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/tableref/subqueryref.hpp"
#include "duckdb/parser/tableref/table_function_ref.hpp"
#include "duckdb/storage/object_cache.hpp"

namespace
{

using duckdb::make_uniq;
using duckdb::ParsedExpression;
using duckdb::string;
using duckdb::TableRef;
using duckdb::Value;

constexpr const char *STATE_KEY = "lakehouse";

struct ConnectionState final : public duckdb::ClientContextState {
    explicit ConnectionState(engine_connection *connection_) : connection(connection_)
    {
    }
    engine_connection *connection;
};

/* name := value, as an argument of a table function. */
duckdb::unique_ptr<ParsedExpression>
NamedArgument(const char *name, bool value)
{
    return make_uniq<duckdb::ComparisonExpression>(
        duckdb::ExpressionType::COMPARE_EQUAL, make_uniq<duckdb::ColumnRefExpression>(string(name)),
        make_uniq<duckdb::ConstantExpression>(Value::BOOLEAN(value)));
}

/* read_parquet(['lake://…'], hive_partitioning = false, union_by_name = …). Files of one version
 * share their schema, but an evolved dataset may hold older files without its newer columns, so
 * several files are matched by name. */
duckdb::unique_ptr<TableRef>
FilesRef(const engine_source_view &source)
{
    duckdb::vector<Value> uris;
    duckdb::vector<duckdb::unique_ptr<ParsedExpression>> arguments;
    auto ref = make_uniq<duckdb::TableFunctionRef>();

    for (uint64_t i = 0; i < source.uri_count; i++)
        uris.emplace_back(string(source.uris[i]));
    arguments.push_back(make_uniq<duckdb::ConstantExpression>(
        Value::LIST(duckdb::LogicalType::VARCHAR, std::move(uris))));
    arguments.push_back(NamedArgument("hive_partitioning", false));
    if (source.uri_count > 1)
        arguments.push_back(NamedArgument("union_by_name", true));
    ref->function = make_uniq<duckdb::FunctionExpression>("read_parquet", std::move(arguments));
    return std::move(ref);
}

duckdb::unique_ptr<TableRef>
SelectRef(const char *select)
{
    duckdb::Parser parser;

    parser.ParseQuery(select);
    return make_uniq<duckdb::SubqueryRef>(
        duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(
            std::move(parser.statements[0])));
}

duckdb::unique_ptr<TableRef>
Replace(duckdb::ClientContext &context, duckdb::ReplacementScanInput &input,
        duckdb::optional_ptr<duckdb::ReplacementScanData>)
{
    engine_connection *connection = lakehouse::ConnectionOf(&context);
    engine_source_view source;

    if (!connection || !input.schema_name.empty() || !input.catalog_name.empty() ||
        !engine_source_find(connection, input.table_name.c_str(), &source))
        return nullptr;
    return source.select ? SelectRef(source.select) : FilesRef(source);
}

void
FaultFill(const duckdb::ErrorData &error, engine_fault *fault)
{
    auto found = error.ExtraInfo().find("position");

    fault->type = duckdb::ErrorTypeToC(error.Type());
    fault->position = -1;
    if (found != error.ExtraInfo().end())
        fault->position = std::strtoll(found->second.c_str(), nullptr, 10);
    std::snprintf(fault->text, sizeof(fault->text), "%s", error.Message().c_str());
}

} // namespace

engine_connection *
lakehouse::ConnectionOf(duckdb::optional_ptr<duckdb::ClientContext> context)
{
    if (!context)
        return nullptr;
    auto state = context->registered_state->Get<ConnectionState>(STATE_KEY);
    return state ? state->connection : nullptr;
}

engine_reads *
lakehouse::ReadsOf(duckdb::optional_ptr<duckdb::ClientContext> context)
{
    engine_connection *connection = ConnectionOf(context);

    return connection ? engine_connection_reads(connection) : nullptr;
}

void
lakehouse::RegisterReplacement(duckdb::DatabaseInstance &instance)
{
    auto &scans = duckdb::DBConfig::GetConfig(instance).replacement_scans;

    scans.clear();
    scans.emplace_back(Replace);
}

bool
engine_lake_attach(duckdb_connection connection, engine_connection *c)
{
    try {
        auto &context = *reinterpret_cast<duckdb::Connection *>(connection)->context;

        context.registered_state->Insert(STATE_KEY, duckdb::make_shared_ptr<ConnectionState>(c));
        return true;
    } catch (...) {
        return false;
    }
}

engine_connection *
engine_context_connection(duckdb_client_context context)
{
    if (!context)
        return nullptr;
    return lakehouse::ConnectionOf(
        &reinterpret_cast<duckdb::CClientContextWrapper *>(context)->context);
}

struct engine_parsed {
    duckdb::Connection *connection;
    duckdb::unique_ptr<duckdb::SQLStatement> statement;
    duckdb::case_insensitive_map_t<duckdb::BoundParameterData> values;
};

engine_parsed *
engine_parsed_new(duckdb_connection connection, const char *sql, engine_fault *fault)
{
    try {
        auto *c = reinterpret_cast<duckdb::Connection *>(connection);
        auto statements = c->ExtractStatements(sql);

        if (statements.size() != 1)
            throw duckdb::ParserException("one statement is needed, not %llu", statements.size());
        return new engine_parsed{c, std::move(statements[0]), {}};
    } catch (const std::exception &e) {
        FaultFill(duckdb::ErrorData(e), fault);
        return nullptr;
    }
}

void
engine_parsed_free(engine_parsed *p)
{
    delete p;
}

uint64_t
engine_parsed_params(const engine_parsed *p)
{
    return p->statement->named_param_map.size();
}

bool
engine_parsed_set(engine_parsed *p, const char *name, duckdb_value value)
{
    auto &names = p->statement->named_param_map;

    if (names.find(name) == names.end())
        return false;
    p->values[name] = duckdb::BoundParameterData(*reinterpret_cast<Value *>(value));
    return true;
}

duckdb_pending_result
engine_parsed_start(engine_parsed *p, bool is_streaming, engine_fault *fault)
{
    try {
        auto pending =
            p->connection->PendingQuery(std::move(p->statement), p->values, is_streaming);

        if (!pending->HasError())
            return reinterpret_cast<duckdb_pending_result>(
                new duckdb::PendingStatementWrapper{std::move(pending), is_streaming});
        FaultFill(pending->GetErrorObject(), fault);
    } catch (const std::exception &e) {
        FaultFill(duckdb::ErrorData(e), fault);
    }
    return nullptr;
}

void
engine_footer_forget(duckdb_connection connection, const char *uri)
{
    try {
        auto &context = *reinterpret_cast<duckdb::Connection *>(connection)->context;

        duckdb::ObjectCache::GetObjectCache(context).Delete(uri);
    } catch (...) {
        /* Nothing to forget. */
    }
}
