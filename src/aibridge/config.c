#include "aibridge/bridge.h"

static const struct lh_config_key provider_fields[] = {
    {"name", LH_CONFIG_STR, NULL, 0, 0, "The name that models refer to.", NULL, false},
    {"kind", LH_CONFIG_STR, NULL, 0, 0,
     "How it is spoken to: sidecar, ollama, or openai for anything compatible with OpenAI.", NULL,
     false},
    {"url", LH_CONFIG_STR, NULL, 0, 0,
     "Its address, http or https; for openai with the path before /embeddings "
     "(https://api.openai.com/v1). Nothing else is connected to.",
     NULL, false},
    {"credentials", LH_CONFIG_STR, "", 0, 0,
     "Entry of the secrets whose API_KEY it wants; empty: none.", NULL, false},
    {"concurrency", LH_CONFIG_I64, "4", 1, 1000, "Requests that it gets at once.", NULL, false},
    {"timeout", LH_CONFIG_DURATION, "60s", 1, 86400000, "Time for one request.", NULL, false},
    {0},
};

static const struct lh_config_key model_fields[] = {
    {"name", LH_CONFIG_STR, NULL, 0, 0, "The name that callers use.", NULL, false},
    {"provider", LH_CONFIG_STR, NULL, 0, 0, "Name of the [[provider]] that has it.", NULL, false},
    {"kind", LH_CONFIG_STR, NULL, 0, 0, "What it does: embed or generate.", NULL, false},
    {"remote_name", LH_CONFIG_STR, "", 0, 0, "What the provider calls it; empty: the same.", NULL,
     false},
    {"dim", LH_CONFIG_I64, "0", 0, 16384,
     "Dimensions of its embeddings; 0: as its first answer has.", NULL, false},
    {"batch", LH_CONFIG_I64, "64", 1, 4096, "Texts that go out in one request.", NULL, false},
    {0},
};

const struct lh_config_key lh_bridge_config[] = {
    {"bridge.embed_model", LH_CONFIG_STR, "hash-512", 0, 0,
     "Model that embeds when a request names none.", NULL, false},
    {"bridge.generate_model", LH_CONFIG_STR, "", 0, 0,
     "Model that generates when a request names none; empty: the first that can.", NULL, false},
    {"bridge.cache", LH_CONFIG_SIZE, "64MiB", 0, (int64_t)1 << 40,
     "Memory for embeddings of other providers' models.", NULL, false},
    {"bridge.texts_max", LH_CONFIG_I64, "8192", 1, 1000000, "Texts to embed in one call.", NULL,
     false},
    {"bridge.queue_length", LH_CONFIG_I64, "64", 0, 100000,
     "Calls that may wait for a provider; more are answered 503.", NULL, false},
    {"bridge.retries", LH_CONFIG_I64, "2", 0, 10,
     "How often a request to a provider is repeated when that may help.", NULL, false},
    {"bridge.breaker_failures", LH_CONFIG_I64, "5", 1, 1000,
     "Failures in a row after which a provider is left alone.", NULL, false},
    {"bridge.breaker_cooldown", LH_CONFIG_DURATION, "10s", 1, 86400000,
     "How long it is left alone before one request may try again.", NULL, false},
    {"provider", LH_CONFIG_TABLES, NULL, 0, 0,
     "Who embeds and generates, beside the built-in models.", provider_fields, false},
    {"model", LH_CONFIG_TABLES, NULL, 0, 0, "Models of these providers.", model_fields, false},
    {0},
};
