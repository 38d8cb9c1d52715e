/*
 * openapi: api/openapi.yaml as JSON, put into the program by the build (src/apps/CMakeLists.txt).
 */
#ifndef LH_SERVICES_GATEWAY_OPENAPI_H
#define LH_SERVICES_GATEWAY_OPENAPI_H

#include <stddef.h>

extern const unsigned char lh_openapi_json[];
extern const size_t lh_openapi_json_size;

#endif
