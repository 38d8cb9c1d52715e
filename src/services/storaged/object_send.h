/*
 * object send: the bytes of an object on their way out, for both doors of storaged.
 *
 * Bytes leave in one of two ways. What is proven against its checksums goes out as a file, without
 * passing through this process; what is not yet is proven first, so that a damaged object is a
 * clean failure and not an answer that breaks off. An object that is larger than a pass over it
 * should delay its first byte is read and proven on the way instead.
 */
#ifndef LH_SERVICES_STORAGED_OBJECT_SEND_H
#define LH_SERVICES_STORAGED_OBJECT_SEND_H

#include "services/storaged/storage.h"

struct storage_sending {
    struct lh_reader_at *reader;
    uint64_t from, length;
    /* Begins the answer, once it is known that there will be one. */
    lh_status (*begin)(void *self, struct lh_response *res, struct lh_error *err);
    void *self;
};

lh_status storage_object_send(const struct storage *s, struct lh_call *call,
                              const struct storage_sending *sending, struct lh_response *res,
                              struct lh_error *err);

#endif
