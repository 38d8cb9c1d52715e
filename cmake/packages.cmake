# What the build takes from Debian and npm. scripts/setup installs all of it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(TOML REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(LAPACKE REQUIRED IMPORTED_TARGET lapacke)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# DuckDB: the library and its headers come from two npm packages of one version.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(DUCKDB_PACKAGE node-bindings-linux-arm64)
else()
    set(DUCKDB_PACKAGE node-bindings-linux-x64)
endif()
set(DUCKDB_LIBRARY ${CMAKE_SOURCE_DIR}/node_modules/@duckdb/${DUCKDB_PACKAGE}/libduckdb.so)
set(DUCKDB_INCLUDE ${CMAKE_SOURCE_DIR}/node_modules/duckdb/src/duckdb/src/include)
if(NOT EXISTS ${DUCKDB_LIBRARY} OR NOT EXISTS ${DUCKDB_INCLUDE}/duckdb.h)
    message(FATAL_ERROR "DuckDB is not installed: run scripts/setup")
endif()
# A copy in the build folder, found through an rpath relative to the programs, so that build/ can be moved.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
file(COPY ${DUCKDB_LIBRARY} DESTINATION ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_BUILD_RPATH "\$ORIGIN/../lib")
add_library(duckdb::duckdb SHARED IMPORTED)
set_target_properties(duckdb::duckdb PROPERTIES
    IMPORTED_LOCATION ${CMAKE_BINARY_DIR}/lib/libduckdb.so
    IMPORTED_NO_SONAME ON
    INTERFACE_INCLUDE_DIRECTORIES "${DUCKDB_INCLUDE}")
