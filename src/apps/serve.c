#include "apps/serve.h"

#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "services/host.h"

/* glibc gives every thread a heap of its own, up to eight for each core, and each keeps what it
 * once needed. Two are enough for the few threads that allocate at once, and keep an idle lake
 * small. */
#define MALLOC_ARENAS 2

struct arguments {
    const char *config;
    const char *data;
    const char *listen;
    const char *s3_listen;
    bool wants_help, wants_version;
};

/* ---- command line ---- */

static void
usage_print(FILE *to, const char *program)
{
    fprintf(to,
            "usage: %s [--config FILE] [--data DIR] [--listen HOST:PORT] [--s3-listen "
            "HOST:PORT]\n\n"
            "  --config FILE          settings; else the file that LAKEHOUSE_CONFIG names; else "
            "defaults\n"
            "  --data DIR             folder of the local bucket (data)\n"
            "  --listen HOST:PORT     address; port 0 takes a free one\n"
            "  --s3-listen HOST:PORT  address of the S3 door, where storaged runs\n",
            program);
}

static bool
arguments_parse(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"data", required_argument, NULL, 'd'},
        {"listen", required_argument, NULL, 'l'},
        {"s3-listen", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {0},
    };
    int option;

    *out = (struct arguments){.config = getenv("LAKEHOUSE_CONFIG")};
    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            out->config = optarg;
            break;
        case 'd':
            out->data = optarg;
            break;
        case 'l':
            out->listen = optarg;
            break;
        case 's':
            out->s3_listen = optarg;
            break;
        case 'h':
            out->wants_help = true;
            break;
        case 'v':
            out->wants_version = true;
            break;
        default:
            return false;
        }
    }
    if (optind == argc)
        return true;
    fprintf(stderr, "%s: what is \"%s\"?\n", argv[0], argv[optind]);
    return false;
}

/* ---- settings ---- */

static lh_status
log_level_apply(const struct lh_config *config, struct lh_error *err)
{
    const char *name = lh_config_str(config, "log.level");
    enum lh_log_level level;

    if (!lh_log_level_parse(lh_str_of(name), &level))
        return lh_fail(err, LH_INVALID, "config.range",
                       "log.level is debug, info, warn or error, not \"%s\"", name);
    lh_log_level_set(level);
    return LH_OK;
}

static lh_status
settings_load(const struct arguments *a, struct lh_config **out, struct lh_error *err)
{
    LH_AUTO(lh_config) *config = NULL;

    LH_TRY(lh_config_load(lh_host_config_tables(), a->config && a->config[0] ? a->config : NULL,
                          &config, err));
    LH_TRY(log_level_apply(config, err));
    *out = lh_take(config);
    return LH_OK;
}

/* ---- process ---- */

static void
process_prepare(const struct lh_config *config)
{
    umask(077);
    mallopt(M_ARENA_MAX, MALLOC_ARENAS);
    lh_secrets_take_environment();
    /* A core file would hold tokens and keys. */
    if (lh_host_has_secrets(config))
        prctl(PR_SET_DUMPABLE, 0);
}

static pthread_t main_thread;

/* OpenBLAS starts its threads before main() and blocks nothing in them: a signal that the kernel
 * gives to one of them goes on to where it is waited for. */
static void
signal_hand_over(int number)
{
    if (!pthread_equal(pthread_self(), main_thread))
        pthread_kill(main_thread, number);
}

/* Blocked before any thread starts, so that every thread inherits it and only the main one ever
 * takes a signal. */
static void
signals_block(sigset_t *stop)
{
    sigemptyset(stop);
    sigaddset(stop, SIGTERM);
    sigaddset(stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, stop, NULL);
    main_thread = pthread_self();
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = signal_hand_over}, NULL);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = signal_hand_over}, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* From here on the signals do what they do to any process. */
static void
signals_release(const sigset_t *stop)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, stop, NULL);
}

static int
exit_code(const struct lh_error *err)
{
    if (lh_error_is(err, "host.insecure"))
        return LH_SERVE_INSECURE;
    return err->status == LH_INVALID ? LH_SERVE_USAGE : LH_SERVE_FAILED;
}

static void
fail_print(const char *program, const struct lh_error *err)
{
    fprintf(stderr, "%s: %s (%s)\n", program, err->text, err->reason);
}

static void
serve_until_signal(struct lh_host *host, const char *program, const sigset_t *stop)
{
    int signal_number = 0;

    printf("listening on %s\n", lh_host_url(host));
    fflush(stdout);
    sigwait(stop, &signal_number);
    signals_release(stop);
    lh_log(LH_LOG_INFO, program, "stopping", LH_LOG_S("signal", strsignal(signal_number)));
}

/* Tells the command line which server has this folder open (apps/cli/lake.h). A lake that cannot be
 * written is served all the same. */
static char *
address_publish(const char *data_dir, const char *url)
{
    char *path = lh_asprintf("%s/server.url", data_dir);
    LH_AUTO_ERROR(err);

    if (lh_file_write_atomic(path, lh_str_bytes(lh_str_of(url)), 0600, &err) != LH_OK)
        lh_log_error(LH_LOG_WARN, "serve", "the address was not written", &err);
    return path;
}

/* Only one's own: another server may have taken the folder over since. */
static void
address_withdraw(char *path, const char *url)
{
    LH_AUTO_BUF(text, 4096);
    LH_AUTO_ERROR(err);

    if (lh_file_read(path, text.max, &text, &err) == LH_OK &&
        lh_str_eq(lh_buf_str(&text), lh_str_of(url)))
        unlink(path);
    free(path);
}

/* An address that nobody would open is a mistake, not something to pass over. */
static lh_status
s3_listen_apply(const struct arguments *a, const struct lh_service *const *services,
                struct lh_config *config, struct lh_error *err)
{
    if (!a->s3_listen)
        return LH_OK;
    for (; *services; services++) {
        if (*services == &lh_storaged)
            return lh_config_set(config, "s3_door.listen", lh_str_of(a->s3_listen), err);
    }
    return lh_fail(err, LH_INVALID, "serve.s3_listen",
                   "--s3-listen is for storaged, which does not run in this process");
}

static bool
is_apart(const struct lh_service *const *services)
{
    return services != lh_host_all_services();
}

static int
serve(const struct arguments *a, const struct lh_service *const *services, const char *program)
{
    LH_AUTO(lh_config) *config = NULL;
    LH_AUTO_ERROR(err);
    struct lh_host *host = NULL;
    sigset_t stop;

    if (settings_load(a, &config, &err) != LH_OK ||
        s3_listen_apply(a, services, config, &err) != LH_OK ||
        (is_apart(services) && lh_host_mesh_defaults(config, &err) != LH_OK)) {
        fail_print(program, &err);
        return LH_SERVE_USAGE;
    }
    process_prepare(config);
    signals_block(&stop);

    struct lh_host_options options = {
        .services = services,
        .config = config,
        .data_dir = a->data ? a->data : lh_config_str(config, "data_dir"),
        .listen = a->listen,
    };
    if (lh_host_start(&options, &host, &err) != LH_OK) {
        fail_print(program, &err);
        return exit_code(&err);
    }
    /* A daemon of one service is not a lake that the command line could talk to; the gateway is. */
    bool is_door = !is_apart(services) || services[0] == &lh_gateway;
    char *address = is_door ? address_publish(options.data_dir, lh_host_url(host)) : NULL;
    serve_until_signal(host, program, &stop);
    if (address)
        address_withdraw(address, lh_host_url(host));
    lh_host_stop(host);
    return LH_SERVE_STOPPED;
}

static int
run(int argc, char **argv, const struct lh_service *const *services, const char *program)
{
    struct arguments a;

    if (!arguments_parse(argc, argv, &a)) {
        usage_print(stderr, program);
        return LH_SERVE_USAGE;
    }
    if (a.wants_help)
        usage_print(stdout, program);
    else if (a.wants_version)
        printf("lakehouse " LH_VERSION "\n");
    else
        return serve(&a, services, program);
    return LH_SERVE_STOPPED;
}

int
lh_serve_main(int argc, char **argv)
{
    return run(argc, argv, lh_host_all_services(), "lakehouse serve");
}

int
lh_daemon_main(const struct lh_service *service, int argc, char **argv)
{
    const struct lh_service *const services[] = {service, NULL};

    return run(argc, argv, services, service->name);
}
