#include "services/gateway/auth.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/encoding.h"
#include "base/hash.h"

struct token {
    char *name;
    char *profile;
    uint8_t digest[LH_SHA256_BYTES];
    bool may_write;
};

struct gateway_auth {
    struct token *tokens;
    size_t count;
};

const struct lh_config_key gateway_token_fields[] = {
    {.name = "name",
     .kind = LH_CONFIG_STR,
     .doc = "Who holds it, as the journal and the log call them."},
    {.name = "sha256",
     .kind = LH_CONFIG_STR,
     .def = "",
     .doc = "SHA-256 of the token in hex, so that the file does not hold the token itself."},
    {.name = "secret",
     .kind = LH_CONFIG_STR,
     .def = "",
     .doc = "The token itself, when sha256 is not given.",
     .is_secret = true},
    {.name = "may_write", .kind = LH_CONFIG_BOOL, .def = "true", .doc = "False for a reader."},
    {.name = "profile",
     .kind = LH_CONFIG_STR,
     .def = "",
     .doc = "Profile whose datasets it sees; empty for everything."},
    {0},
};

static bool
digest_decode(lh_str hex, uint8_t out[LH_SHA256_BYTES])
{
    LH_AUTO_BUF(bytes, LH_SHA256_BYTES);

    if (!lh_hex_decode(&bytes, hex) || bytes.len != LH_SHA256_BYTES)
        return false;
    memcpy(out, bytes.data, LH_SHA256_BYTES);
    return true;
}

static lh_status
digest_read(const struct lh_config *table, uint8_t out[LH_SHA256_BYTES], struct lh_error *err)
{
    lh_str secret = lh_str_of(lh_config_str(table, "secret"));
    lh_str hex = lh_str_of(lh_config_str(table, "sha256"));

    if ((secret.len > 0) == (hex.len > 0))
        return lh_fail(err, LH_INVALID, "auth.token", "token \"%s\" needs either sha256 or secret",
                       lh_config_str(table, "name"));
    if (secret.len > 0)
        lh_sha256_of(lh_str_bytes(secret), out);
    else if (!digest_decode(hex, out))
        return lh_fail(err, LH_INVALID, "auth.token",
                       "the sha256 of token \"%s\" is not 64 hex digits",
                       lh_config_str(table, "name"));
    return LH_OK;
}

static lh_status
token_load(const struct lh_config *table, struct token *t, struct lh_error *err)
{
    LH_TRY(digest_read(table, t->digest, err));
    if (lh_config_str(table, "name")[0] == '\0')
        return lh_fail(err, LH_INVALID, "auth.token", "a token has an empty name");
    t->name = lh_strdup(lh_config_str(table, "name"));
    t->profile = lh_strdup(lh_config_str(table, "profile"));
    t->may_write = lh_config_bool(table, "may_write");
    return LH_OK;
}

static void
admin_token_add(struct gateway_auth *a, const char *secret)
{
    struct token *t = &a->tokens[a->count++];

    lh_sha256_of(lh_str_bytes(lh_str_of(secret)), t->digest);
    t->name = lh_strdup("admin");
    t->profile = lh_strdup("");
    t->may_write = true;
}

lh_status
gateway_auth_new(const struct lh_config *config, const char *admin_token, struct gateway_auth **out,
                 struct lh_error *err)
{
    LH_AUTO(gateway_auth) *a = LH_NEW(struct gateway_auth);
    size_t n = lh_config_tables_count(config, "token");

    a->tokens = lh_alloc_array(n + 1, sizeof(*a->tokens));
    for (size_t i = 0; i < n; i++) {
        a->count++;
        LH_TRY(token_load(lh_config_tables_at(config, "token", i), &a->tokens[i], err));
    }
    if (admin_token && admin_token[0])
        admin_token_add(a, admin_token);
    *out = lh_take(a);
    return LH_OK;
}

void
gateway_auth_free(struct gateway_auth *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++) {
        free(a->tokens[i].name);
        free(a->tokens[i].profile);
    }
    free(a->tokens);
    free(a);
}

size_t
gateway_auth_count(const struct gateway_auth *a)
{
    return a->count;
}

/* Looks at every token whichever matches, so that the time taken does not depend on which. 0 when
 * none does. */
static size_t
token_find(const struct gateway_auth *a, lh_str presented)
{
    uint8_t digest[LH_SHA256_BYTES];
    size_t found = 0;

    lh_sha256_of(lh_str_bytes(presented), digest);
    for (size_t i = 0; i < a->count; i++) {
        if (lh_bytes_eq_secret(lh_bytes_of(digest, sizeof(digest)),
                               lh_bytes_of(a->tokens[i].digest, LH_SHA256_BYTES)))
            found = i + 1;
    }
    return found;
}

/* RFC 9110 section 11.1: the scheme's name ignores case. */
static lh_str
bearer_of(const struct lh_request *req)
{
    lh_str rest = lh_request_header(req, "Authorization"), scheme;

    lh_str_cut(&rest, ' ', &scheme);
    return lh_str_eq_nocase(scheme, LH_STR("Bearer")) ? lh_str_trim(rest) : LH_STR_NONE;
}

lh_status
gateway_auth_check(const struct gateway_auth *a, const struct lh_request *req,
                   struct lh_principal *out, size_t *number, struct lh_error *err)
{
    lh_str presented = bearer_of(req);
    size_t found;

    if (a->count == 0) {
        *out = (struct lh_principal){LH_PRINCIPAL_ANONYMOUS, "local", "", true};
        *number = 0;
        return LH_OK;
    }
    if (presented.len == 0)
        return lh_fail(err, LH_DENIED, "auth.required",
                       "this needs the header Authorization: Bearer TOKEN");
    found = token_find(a, presented);
    if (found == 0)
        return lh_fail(err, LH_DENIED, "auth.required", "the token is not known here");
    *out = (struct lh_principal){LH_PRINCIPAL_USER, a->tokens[found - 1].name,
                                 a->tokens[found - 1].profile, a->tokens[found - 1].may_write};
    *number = found;
    return LH_OK;
}

lh_status
gateway_auth_permit(const struct lh_principal *p, unsigned route_flags, struct lh_error *err)
{
    if ((route_flags & LH_ROUTE_WRITES) && !p->may_write)
        return lh_fail(err, LH_DENIED, "auth.read_only", "\"%s\" may read but not write", p->name);
    return LH_OK;
}
