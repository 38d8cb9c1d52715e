#include "store/fixture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include "base/id.h"
#include "base/metrics.h"
#include "base/time.h"
#include "store/block_disk.h"

#define MIB ((uint64_t)1 << 20)

struct shelf {
    char folder[64], blocks[96];
    struct block_disk *disk;
    struct block *one; /* of a few pages */
};

static struct block_id
id_of(uint64_t number)
{
    struct block_id id = {.number = number};

    for (size_t i = 0; i < sizeof(id.object); i++)
        id.object[i] = (uint8_t)(number * 31 + i);
    return id;
}

static struct block *
block_of(uint64_t number, size_t first, size_t n)
{
    struct block_id id = id_of(number);
    uint8_t *bytes = lh_alloc(n);
    struct block *b;

    lh_random_bytes(bytes, n);
    b = block_make(&id, first, bytes, n);
    free(bytes);
    return b;
}

static int
setup(void **state)
{
    struct shelf *s = LH_NEW(struct shelf);

    fixture_folder(s->folder);
    (void)snprintf(s->blocks, sizeof(s->blocks), "%s/cache/blocks", s->folder);
    s->disk = block_disk_new(s->blocks, 64 * MIB);
    s->one = block_of(1, 3, 5 * BLOCK_PAGE_BYTES);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    struct shelf *s = *state;

    block_unref(s->one);
    block_disk_free(s->disk);
    (void)lh_dir_remove_tree(s->folder, NULL);
    free(s);
    return 0;
}

static char *
file_of(const struct shelf *s, uint64_t number)
{
    struct block_id id = id_of(number);
    char hex[LH_SHA256_HEX];

    (void)lh_sha256_hex(id.object, hex);
    return lh_asprintf("%s/%.2s/%s-%" PRIu64, s->blocks, hex, hex, number);
}

static bool
is_file(const struct shelf *s, uint64_t number)
{
    LH_AUTO_CHARS path = file_of(s, number);

    return access(path, F_OK) == 0;
}

static bool
loads(struct shelf *s, uint64_t number)
{
    struct block_id id = id_of(number);
    struct block *b = block_disk_load(s->disk, &id);

    block_unref(b);
    return b != NULL;
}

static void
store_full(struct shelf *s, uint64_t number)
{
    struct block *b = block_of(number, 0, BLOCK_BYTES);

    block_disk_store(s->disk, b);
    block_unref(b);
}

static int64_t
bad_now(void)
{
    return lh_metric_value(lh_counter("lakehouse_store_cache_bad_total", "", "tier", "disk", NULL));
}

/* ---- */

static void
what_is_stored_is_loaded(void **state)
{
    struct shelf *s = *state;
    struct block *b;

    block_disk_store(s->disk, s->one);
    b = block_disk_load(s->disk, &s->one->id);
    assert_non_null(b);
    assert_true(b->pages == s->one->pages);
    assert_memory_equal(b->bytes, s->one->bytes, 5 * BLOCK_PAGE_BYTES);
    block_unref(b);
}

static void
files_are_private(void **state)
{
    struct shelf *s = *state;
    LH_AUTO_CHARS path = file_of(s, 1);
    struct stat st;

    block_disk_store(s->disk, s->one);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(s->blocks, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void
damage_anywhere_is_a_miss_and_the_file_goes(void **state)
{
    struct shelf *s = *state;
    LH_AUTO_CHARS path = file_of(s, 1);
    off_t size = (off_t)(BLOCK_HEAD_BYTES + 5 * BLOCK_PAGE_BYTES);

    for (off_t at = 0; at < size; at += 97) {
        int64_t before = bad_now();
        uint8_t byte;
        int fd;

        block_disk_store(s->disk, s->one);
        fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
        assert_false(loads(s, 1));
        assert_int_equal(bad_now(), before + 1);
        assert_false(is_file(s, 1));
    }
}

static void
a_file_cut_short_or_grown_is_a_miss(void **state)
{
    static const off_t sizes[] = {0, 1, 511, 512, 513, 512 + 5 * 4096 - 1, 512 + 5 * 4096 + 1};
    struct shelf *s = *state;
    LH_AUTO_CHARS path = file_of(s, 1);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        block_disk_store(s->disk, s->one);
        assert_int_equal(truncate(path, sizes[i]), 0);
        assert_false(loads(s, 1));
    }
}

static void
a_block_under_the_name_of_another_is_a_miss(void **state)
{
    struct shelf *s = *state;
    LH_AUTO_CHARS from = file_of(s, 1);
    LH_AUTO_CHARS to = file_of(s, 2);

    block_disk_store(s->disk, s->one);
    store_full(s, 2);
    assert_int_equal(rename(from, to), 0);
    assert_false(loads(s, 2));
}

static void
a_link_in_the_folder_is_not_followed(void **state)
{
    struct shelf *s = *state;
    LH_AUTO_CHARS path = file_of(s, 1);
    LH_AUTO_CHARS away = lh_asprintf("%s/away", s->folder);

    block_disk_store(s->disk, s->one);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(symlink(away, path), 0);
    assert_false(loads(s, 1));
}

static void
another_process_finds_what_this_one_stored(void **state)
{
    struct shelf *s = *state;
    LH_AUTO(block_disk) *other = block_disk_new(s->blocks, 64 * MIB);
    struct block *b;

    block_disk_store(s->disk, s->one);
    b = block_disk_load(other, &s->one->id);
    assert_non_null(b);
    block_unref(b);
}

static void
the_folder_is_made_again_when_it_was_deleted(void **state)
{
    struct shelf *s = *state;

    block_disk_store(s->disk, s->one);
    must(lh_dir_remove_tree(s->folder, &err));
    assert_false(loads(s, 1));
    block_disk_store(s->disk, s->one);
    assert_true(loads(s, 1));
}

/* ---- the limit ---- */

static uint64_t
folder_bytes(const struct shelf *s, uint64_t from, uint64_t to)
{
    uint64_t bytes = 0;

    for (uint64_t i = from; i < to; i++)
        bytes += is_file(s, i) ? BLOCK_BYTES + 4096 : 0;
    return bytes;
}

static void
small(struct shelf *s, uint64_t bytes_max)
{
    block_disk_free(s->disk);
    s->disk = block_disk_new(s->blocks, bytes_max);
    if (block_disk_wants_trim(s->disk))
        block_disk_trim(s->disk);
}

static void
trim_when_due(struct shelf *s)
{
    if (block_disk_wants_trim(s->disk))
        block_disk_trim(s->disk);
}

static void
the_limit_holds(void **state)
{
    struct shelf *s = *state;

    small(s, 8 * MIB);
    for (uint64_t i = 0; i < 100; i++) {
        store_full(s, i);
        trim_when_due(s);
        assert_true(folder_bytes(s, 0, 100) <= 8 * MIB);
    }
    assert_true(loads(s, 99));
    assert_false(loads(s, 1));
}

static void
nothing_is_written_past_the_limit_while_nobody_trims(void **state)
{
    struct shelf *s = *state;

    small(s, 8 * MIB);
    for (uint64_t i = 0; i < 100; i++)
        store_full(s, i);
    assert_true(folder_bytes(s, 0, 100) <= 8 * MIB);
}

static void
what_was_used_again_stays_when_a_pass_goes_through(void **state)
{
    struct shelf *s = *state;

    small(s, 8 * MIB);
    for (uint64_t i = 0; i < 10; i++)
        store_full(s, i);
    for (uint64_t i = 0; i < 10; i++)
        assert_true(loads(s, i));
    for (uint64_t i = 1000; i < 1200; i++) {
        store_full(s, i);
        trim_when_due(s);
    }
    for (uint64_t i = 0; i < 10; i++)
        assert_true(loads(s, i));
}

static void
a_start_counts_what_an_earlier_one_left(void **state)
{
    struct shelf *s = *state;

    for (uint64_t i = 0; i < 100; i++)
        store_full(s, i);
    small(s, 8 * MIB);
    assert_true(folder_bytes(s, 0, 100) <= 6 * MIB);
}

static void
leftovers_of_a_crash_go_after_an_hour(void **state)
{
    struct shelf *s = *state;
    LH_AUTO_CHARS block = file_of(s, 1);
    LH_AUTO_CHARS left = lh_asprintf("%.*s/aside-x", (int)(strrchr(block, '/') - block), block);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};

    store_full(s, 1);
    must(lh_file_write_atomic(left, lh_str_bytes(LH_STR("half a block")), 0600, &err));
    small(s, 8 * MIB);
    assert_int_equal(access(left, F_OK), 0);
    times[1] = (struct timespec){.tv_sec = lh_time_now_us() / 1000000 - 3700};
    assert_int_equal(utimensat(AT_FDCWD, left, times, 0), 0);
    small(s, 8 * MIB);
    assert_int_not_equal(access(left, F_OK), 0);
    assert_true(loads(s, 1));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_stored_is_loaded),
        CASE(files_are_private),
        CASE(damage_anywhere_is_a_miss_and_the_file_goes),
        CASE(a_file_cut_short_or_grown_is_a_miss),
        CASE(a_block_under_the_name_of_another_is_a_miss),
        CASE(a_link_in_the_folder_is_not_followed),
        CASE(another_process_finds_what_this_one_stored),
        CASE(the_folder_is_made_again_when_it_was_deleted),
        CASE(the_limit_holds),
        CASE(nothing_is_written_past_the_limit_while_nobody_trims),
        CASE(what_was_used_again_stays_when_a_pass_goes_through),
        CASE(a_start_counts_what_an_earlier_one_left),
        CASE(leftovers_of_a_crash_go_after_an_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
