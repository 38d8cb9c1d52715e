/* The C API of 1.4.4 gives TIME_NS the number of an unknown type (main/capi/helper-c.cpp), so its
 * name is asked for in C++. */
#include "duckdb/common/types.hpp"

extern "C" {
#include "engine/result_type.h"
}

extern "C" duckdb_type
result_type_id(duckdb_logical_type type)
{
    if (reinterpret_cast<const duckdb::LogicalType *>(type)->id() == duckdb::LogicalTypeId::TIME_NS)
        return DUCKDB_TYPE_TIME_NS;
    return duckdb_get_type_id(type);
}
