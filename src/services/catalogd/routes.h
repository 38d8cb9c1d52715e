/*
 * routes: the two tables of this service, what everybody may ask and what other services may.
 */
#ifndef LH_SERVICES_CATALOGD_ROUTES_H
#define LH_SERVICES_CATALOGD_ROUTES_H

#include "net/router.h"

lh_status catalog_internal_head(void *self, struct lh_call *call, struct lh_request *req,
                                struct lh_response *res, struct lh_error *err);
lh_status catalog_internal_snapshot(void *self, struct lh_call *call, struct lh_request *req,
                                    struct lh_response *res, struct lh_error *err);
lh_status catalog_internal_standing(void *self, struct lh_call *call, struct lh_request *req,
                                    struct lh_response *res, struct lh_error *err);
lh_status catalog_internal_names(void *self, struct lh_call *call, struct lh_request *req,
                                 struct lh_response *res, struct lh_error *err);
lh_status catalog_internal_commit(void *self, struct lh_call *call, struct lh_request *req,
                                  struct lh_response *res, struct lh_error *err);
lh_status catalog_internal_writers(void *self, struct lh_call *call, struct lh_request *req,
                                   struct lh_response *res, struct lh_error *err);

lh_status catalog_internal_bucket(void *self, struct lh_call *call, struct lh_request *req,
                                  struct lh_response *res, struct lh_error *err);

#endif
