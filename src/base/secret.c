/*
 * The environment is emptied into one page of the process, the vault, because the block that the
 * kernel made for the variables would stand in every core file: the values there are overwritten
 * and the names unset. Only then are they looked up, by prefix.
 */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/metrics.h"
#include "base/secret_text.h"
#include "base/thread.h"
#include "base/time.h"

#define PREFIX "LAKEHOUSE_SECRET_"
#define NAME_MAX_BYTES 64

const struct lh_config_key lh_secret_config[] = {
    {"secrets.file", LH_CONFIG_STR, "", 0, 0,
     "File of secrets, TOML or JSON (docs/formats/secrets.md); must belong to the user of the "
     "process and be closed to all others.",
     NULL, false},
    {"secrets.command", LH_CONFIG_LIST, "[]", 0, 0,
     "Program and arguments; called with the name of an entry behind them, it prints the entry as "
     "a JSON object.",
     NULL, false},
    {"secrets.command_timeout", LH_CONFIG_DURATION, "10s", 1, 600000,
     "How long the command may take before it is killed.", NULL, false},
    {"secrets.size_max", LH_CONFIG_SIZE, "64KiB", 1, 16777216,
     "The most bytes the file may have or the command may print.", NULL, false},
    {0},
};

struct lh_secrets {
    const struct lh_config *config;
    struct lh_metric *loads[3], *failures;
};

struct lh_secret {
    struct secret_page page;
};

/* ---- the vault ---- */

static struct {
    pthread_mutex_t mutex;
    struct secret_page page;
} vault = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* A new value takes the place of an old one by standing before it. */
static void
vault_add(lh_str name, lh_str value)
{
    struct secret_page page = {0};

    secret_page_put(&page, LH_STR(""), name, value);
    secret_page_add(&page, vault.page.data, vault.page.len);
    secret_page_fini(&vault.page);
    vault.page = page;
}

static bool
variable_take(char *variable)
{
    char name[sizeof(PREFIX) + 2 * NAME_MAX_BYTES + 8];
    lh_str value = lh_str_of(variable), left;

    if (!lh_str_starts(value, LH_STR(PREFIX)) || !lh_str_cut(&value, '=', &left) || value.len == 0)
        return false;
    vault_add(lh_str_slice(left, sizeof(PREFIX) - 1, left.len), value);
    explicit_bzero(variable + left.len + 1, value.len);
    return lh_str_copy(name, sizeof(name), left) && unsetenv(name) == 0;
}

void
lh_secrets_take_environment(void)
{
    LH_AUTO_LOCK(&vault.mutex);
    extern char **environ;

    for (char **at = environ; at && *at;) {
        if (!variable_take(*at))
            at++;
    }
}

/* Copies the fields of `entry`. */
static void
vault_read(lh_str entry, struct secret_page *out)
{
    LH_AUTO_LOCK(&vault.mutex);
    lh_str name, value;

    for (size_t at = 0; secret_page_next(&vault.page, &at, &name, &value);) {
        if (name.len > entry.len + 1 && lh_str_starts(name, entry) && name.ptr[entry.len] == '_')
            secret_page_put(out, LH_STR(""), lh_str_slice(name, entry.len + 1, name.len), value);
    }
}

bool
lh_secrets_exist(const struct lh_config *config)
{
    lh_secrets_take_environment();
    LH_AUTO_LOCK(&vault.mutex);
    return vault.page.len > 0 || lh_config_str(config, "secrets.file")[0] ||
           lh_config_list_count(config, "secrets.command") > 0;
}

/* ---- the file ---- */

static lh_status
fail_too_big(uint64_t max, struct lh_error *err)
{
    return lh_fail(err, LH_TOO_BIG, "secret.too_big",
                   "the secrets have more than the %llu bytes of secrets.size_max",
                   (unsigned long long)max);
}

static lh_status
file_check(int fd, const char *path, struct lh_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return lh_fail_errno(err, errno, "cannot look at the secrets file %s", path);
    if (!S_ISREG(st.st_mode))
        return lh_fail(err, LH_DENIED, "secret.file_mode", "the secrets file %s is not a file",
                       path);
    if (st.st_uid != geteuid())
        return lh_fail(err, LH_DENIED, "secret.file_mode",
                       "the secrets file %s belongs to user %u, not to %u who runs this", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & 077)
        return lh_fail(err, LH_DENIED, "secret.file_mode",
                       "the secrets file %s has mode %04o: others may touch it; make it 0600", path,
                       (unsigned)(st.st_mode & 07777));
    return LH_OK;
}

/* To the end, or until `deadline_ms` when there is one. */
static lh_status
read_all(int fd, int64_t deadline_ms, uint64_t max, struct secret_page *out, const char *what,
         struct lh_error *err)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline_ms < 0 ? -1 : deadline_ms - lh_time_mono_ms();
        ssize_t got;

        if (deadline_ms >= 0 && (left <= 0 || poll(&p, 1, (int)left) == 0))
            return lh_fail(err, LH_UNAVAILABLE, "secret.command",
                           "the command of secrets.command did not end in time");
        got = read(fd, secret_page_reserve(out, 4096), 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return lh_fail_errno(err, errno, "cannot read %s", what);
        if (got == 0)
            return LH_OK;
        out->len += (size_t)got;
        if (out->len > max)
            return fail_too_big(max, err);
    }
}

static lh_status
file_read(struct lh_secrets *s, lh_str entry, struct secret_page *out, struct lh_error *err)
{
    const char *path = lh_config_str(s->config, "secrets.file");
    struct secret_page text = {0};
    LH_AUTO_FD fd = -1;
    lh_status status;

    if (!*path)
        return LH_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return lh_fail_errno(err, errno, "cannot open the secrets file %s", path);
    LH_TRY(file_check(fd, path, err));
    status = read_all(fd, -1, lh_config_size(s->config, "secrets.size_max"), &text, path, err);
    if (status == LH_OK)
        status = secret_text_file((lh_str){text.data, text.len}, entry, out, err);
    secret_page_fini(&text);
    return status;
}

/* ---- the command ---- */

struct child {
    pid_t pid;
    int pidfd, out;
};

static void
signals_default(posix_spawnattr_t *attributes)
{
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                             POSIX_SPAWN_SETSIGDEF);
}

static int
spawn(char **argv, int out, pid_t *pid)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    signals_default(&attributes);
    failed = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static char **
arguments_new(struct lh_secrets *s, char *entry)
{
    size_t count = lh_config_list_count(s->config, "secrets.command");
    char **argv = lh_alloc_array(count + 2, sizeof(char *));

    for (size_t i = 0; i < count; i++)
        argv[i] = lh_strdup(lh_config_list_at(s->config, "secrets.command", i));
    argv[count] = entry;
    return argv;
}

static void
arguments_free(char **argv, const char *entry)
{
    for (char **at = argv; *at && *at != entry; at++)
        free(*at);
    free(argv);
}

static lh_status
child_start(struct lh_secrets *s, lh_str entry, struct child *child, struct lh_error *err)
{
    LH_AUTO_CHARS name = lh_str_dup(entry);
    int ends[2], failed;
    char **argv;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return lh_fail_errno(err, errno, "cannot make a pipe");
    argv = arguments_new(s, name);
    failed = spawn(argv, ends[1], &child->pid);
    arguments_free(argv, name);
    (void)close(ends[1]);
    child->out = ends[0];
    if (failed) {
        (void)close(ends[0]);
        return lh_fail(err, LH_UNAVAILABLE, "secret.command",
                       "the command of secrets.command cannot be started: %s", strerror(failed));
    }
    child->pidfd = pidfd_open(child->pid, 0);
    return LH_OK;
}

/* Whoever does not end by the deadline is killed with all it started. */
static lh_status
child_end(struct child *child, int64_t deadline_ms, struct lh_error *err)
{
    struct pollfd p = {.fd = child->pidfd, .events = POLLIN};
    int64_t left = deadline_ms - lh_time_mono_ms();
    int code = 0;

    (void)close(child->out);
    if (child->pidfd < 0 || left <= 0 || poll(&p, 1, (int)left) != 1)
        (void)kill(-child->pid, SIGKILL);
    if (child->pidfd >= 0)
        (void)close(child->pidfd);
    while (waitpid(child->pid, &code, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(code) || WEXITSTATUS(code) != 0)
        return lh_fail(err, LH_UNAVAILABLE, "secret.command",
                       "the command of secrets.command ended with %s %d",
                       WIFEXITED(code) ? "code" : "signal",
                       WIFEXITED(code) ? WEXITSTATUS(code) : WTERMSIG(code));
    return LH_OK;
}

static lh_status
command_run(struct lh_secrets *s, lh_str entry, struct secret_page *text, struct lh_error *err)
{
    int64_t deadline_ms = lh_time_mono_ms() + lh_config_ms(s->config, "secrets.command_timeout");
    LH_AUTO_ERROR(ended);
    struct child child = {.pid = -1, .pidfd = -1, .out = -1};
    lh_status status;

    LH_TRY(child_start(s, entry, &child, err));
    status = read_all(child.out, deadline_ms, lh_config_size(s->config, "secrets.size_max"), text,
                      "what the command prints", err);
    if (child_end(&child, status == LH_OK ? deadline_ms : 0, &ended) != LH_OK && status == LH_OK) {
        status = ended.status;
        if (err)
            lh_error_copy(err, &ended);
    }
    return status;
}

static lh_status
command_read(struct lh_secrets *s, lh_str entry, struct secret_page *out, struct lh_error *err)
{
    struct secret_page text = {0};
    lh_status status;

    if (lh_config_list_count(s->config, "secrets.command") == 0)
        return LH_OK;
    status = command_run(s, entry, &text, err);
    if (status == LH_OK)
        status = secret_text_object((lh_str){text.data, text.len}, out, err);
    secret_page_fini(&text);
    return status;
}

/* ---- entries ---- */

lh_status
lh_secret_name_check(lh_str entry, struct lh_error *err)
{
    bool is_good = entry.len > 0 && entry.len <= NAME_MAX_BYTES;

    for (size_t i = 0; is_good && i < entry.len; i++) {
        char c = entry.ptr[i];
        is_good = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    }
    if (is_good)
        return LH_OK;
    return lh_fail(err, LH_INVALID, "secret.name",
                   "the name of a secret has 1 to %d capitals, digits and underscores",
                   NAME_MAX_BYTES);
}

struct lh_secrets *
lh_secrets_open(const struct lh_config *config)
{
    static const char *const sources[] = {"environment", "file", "command"};
    struct lh_secrets *s = LH_NEW(struct lh_secrets);

    lh_secrets_take_environment();
    s->config = config;
    for (size_t i = 0; i < 3; i++)
        s->loads[i] = lh_counter("lakehouse_secret_loads_total", "Entries of secrets found.",
                                 "source", sources[i], NULL);
    s->failures =
        lh_counter("lakehouse_secret_failures_total",
                   "Times that an entry was wanted and not found or not readable.", "", NULL);
    return s;
}

void
lh_secrets_free(struct lh_secrets *s)
{
    free(s);
}

static lh_status
source_read(struct lh_secrets *s, size_t source, lh_str entry, struct secret_page *out,
            struct lh_error *err)
{
    if (source == 1)
        return file_read(s, entry, out, err);
    if (source == 2)
        return command_read(s, entry, out, err);
    vault_read(entry, out);
    return LH_OK;
}

static lh_status
fail_no_entry(lh_str entry, const char *field, struct lh_error *err)
{
    return lh_fail(err, LH_NOT_FOUND, "secret.no_entry",
                   "there is no secret '%.*s' with the field %s: neither a variable " PREFIX
                   "%.*s_%s, nor in secrets.file, nor from secrets.command",
                   LH_FMT(entry), field, LH_FMT(entry), field);
}

lh_status
lh_secrets_load(struct lh_secrets *s, lh_str entry, const char *field, struct lh_secret **out,
                struct lh_error *err)
{
    LH_TRY(lh_secret_name_check(entry, err));
    for (size_t source = 0; s && source < 3; source++) {
        LH_AUTO(lh_secret) *secret = LH_NEW(struct lh_secret);
        lh_status status = source_read(s, source, entry, &secret->page, err);

        if (status != LH_OK) {
            lh_metric_add(s->failures, 1);
            return status;
        }
        if (lh_secret_field(secret, field).ptr) {
            lh_metric_add(s->loads[source], 1);
            *out = lh_take(secret);
            return LH_OK;
        }
    }
    if (s)
        lh_metric_add(s->failures, 1);
    return fail_no_entry(entry, field, err);
}

lh_str
lh_secret_field(const struct lh_secret *s, const char *field)
{
    lh_str name, value;

    for (size_t at = 0; secret_page_next(&s->page, &at, &name, &value);) {
        if (lh_str_eq(name, lh_str_of(field)))
            return value;
    }
    return LH_STR_NONE;
}

void
lh_secret_free(struct lh_secret *s)
{
    if (!s)
        return;
    secret_page_fini(&s->page);
    free(s);
}
