"""Datasets in a bucket of another machine (Ceph RGW): what a statement moves, and what the block cache saves."""

import glob
import os
import shutil
import unittest
import urllib.request

import ceph as ceph_harness
from lake import Lake, wait_until

COLUMNS = 40
ROWS = 200_000
OPENING = 16 << 10  # bytes that come with the opening of an object
QUESTIONS = [
    "SELECT count(*) FROM wide",
    "SELECT sum(i), max(c9), min(c30) FROM wide",
    "SELECT i, c1, c20 FROM wide WHERE i BETWEEN 99990 AND 100010 ORDER BY i",
    "SELECT c3 % 7 AS k, count(*), sum(c5 % 1000) FROM wide GROUP BY k ORDER BY k",
    "SELECT sum(hash(COLUMNS(*)) % 1000) FROM wide",
    "SELECT name, n FROM small ORDER BY n",
]


def fill(lake):
    """wide: 40 columns of 8 bytes a row that do not compress, so each has a fortieth of the object."""
    columns = ", ".join(["i"] + [f"hash(i * {COLUMNS} + {c}) AS c{c}" for c in range(1, COLUMNS)])
    answer = lake.post("/v1/sql", {"sql": f"SELECT {columns} FROM range({ROWS}) r(i)"},
                       headers={"Accept": "application/vnd.apache.parquet"})
    assert answer.status == 200, answer
    lake.ingest("wide", answer.body, headers={"X-Lakehouse-Bucket": "far"}, format="parquet")
    lake.ingest("small", b"name,n\nAnn,1\nBob,2\n", headers={"X-Lakehouse-Bucket": "far"}, format="csv")


class Remote(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if ceph_harness.missing():
            raise unittest.SkipTest(f"not installed: {ceph_harness.missing()}")
        cls.ceph = ceph_harness.Ceph()
        cls.enterClassContext(cls.ceph)
        cls.lake = cls.enterClassContext(cls.new_lake("remote-reads"))
        fill(cls.lake)

    @classmethod
    def new_lake(cls, bucket, **store):
        """A lake whose bucket `far` is one of its own in Ceph."""
        cls.ceph.bucket(bucket)
        lines = ["[store]"] + [f"{key} = {value}" for key, value in store.items()]
        lines += ["[[bucket]]", 'name = "far"', 'backend = "s3"', f'endpoint = "{cls.ceph.endpoint}"',
                  f'bucket = "{bucket}"', 'credentials = "FAR"']
        env = {"LAKEHOUSE_SECRET_FAR_ACCESS_KEY_ID": cls.ceph.access_key_id,
               "LAKEHOUSE_SECRET_FAR_SECRET_ACCESS_KEY": cls.ceph.secret_access_key}
        return Lake(config="\n".join(lines) + "\n", env=env)

    def blocks(self):
        return glob.glob(os.path.join(self.lake.data, "cache", "blocks", "*", "*"))

    def forget(self):
        """As on the first day: no block in memory, none on disk."""
        self.lake.stop()
        shutil.rmtree(os.path.join(self.lake.data, "cache"), ignore_errors=True)
        self.lake.start()

    def object_size(self, dataset):
        return sum(o["size_bytes"] for o in self.lake.get(f"/v1/catalog/datasets/{dataset}").json["objects"])

    def test_three_of_forty_columns_move_little_more_than_their_chunks(self):
        self.forget()
        answer = self.lake.sql("SELECT sum(i), max(c9), min(c30) FROM wide")
        chunks = self.object_size("wide") * 3 / COLUMNS
        self.assertGreater(answer["transferred"]["bytes"], 0.5 * chunks)
        self.assertLessEqual(answer["transferred"]["bytes"], 1.3 * chunks)
        self.assertLessEqual(answer["transferred"]["requests"], 3 * (ROWS // 20_000) + 10)

    def test_asked_again_nothing_moves_but_the_question_whether_it_is_the_same_object(self):
        self.forget()
        cold = self.lake.sql("SELECT sum(c11), max(c12) FROM wide")
        warm = self.lake.sql("SELECT sum(c11), max(c12) FROM wide")
        self.assertGreater(cold["transferred"]["bytes"], 0)
        self.assertEqual(warm["transferred"]["requests"], 1)
        self.assertLessEqual(warm["transferred"]["bytes"], OPENING)
        self.assertGreater(warm["cached"]["memory_bytes"], 0)
        self.assertEqual(warm["rows"], cold["rows"])

    def test_a_restart_reads_from_disk(self):
        self.forget()
        cold = self.lake.sql("SELECT sum(c21) FROM wide")
        asked = cold["transferred"]["bytes"] - OPENING
        wait_until(lambda: sum(os.path.getsize(f) for f in self.blocks()) >= asked, what="the blocks on disk")
        self.lake.restart()
        warm = self.lake.sql("SELECT sum(c21) FROM wide")
        self.assertLessEqual(warm["transferred"]["bytes"], OPENING)
        self.assertGreater(warm["cached"]["disk_bytes"], 0)
        self.assertEqual(warm["rows"], cold["rows"])

    def remove_cache(self):
        """False when the lake gave a file its name, or made another, in the midst of it."""
        try:
            shutil.rmtree(os.path.join(self.lake.data, "cache"))
            return True
        except OSError:
            return False

    def test_every_cache_deleted_changes_no_answer(self):
        self.forget()
        before = [self.lake.rows(sql) for sql in QUESTIONS]
        wait_until(self.remove_cache, what="the cache to be removed under the lake that writes it")
        self.assertEqual([self.lake.rows(sql) for sql in QUESTIONS], before)
        self.forget()
        self.assertEqual([self.lake.rows(sql) for sql in QUESTIONS], before)

    def test_damaged_blocks_are_fetched_again(self):
        self.forget()
        before = [self.lake.rows(sql) for sql in QUESTIONS]
        self.lake.stop()
        self.assertTrue(self.blocks())
        for path in self.blocks():
            with open(path, "r+b") as f:
                f.seek(os.path.getsize(path) // 2)
                byte = f.read(1)
                f.seek(-1, os.SEEK_CUR)
                f.write(bytes([byte[0] ^ 0x40]))
        self.lake.start()
        self.assertEqual([self.lake.rows(sql) for sql in QUESTIONS], before)
        self.assertGreater(self.metric('lakehouse_store_cache_bad_total{tier="disk"}'), 0)

    def metric(self, name):
        """Of the process that runs statements."""
        total = 0
        process = self.lake.processes.get("queryd") or self.lake.processes["lakehouse"]
        with urllib.request.urlopen(process.url + "/metrics", timeout=60) as answer:
            text = answer.read().decode()
        for line in text.splitlines():
            if line.startswith(name + " "):
                total += float(line.split()[-1])
        return total

    def test_what_moved_is_in_the_headers_of_the_other_forms_and_in_the_metrics(self):
        self.forget()
        answer = self.lake.post("/v1/sql", {"sql": "SELECT sum(c31) FROM wide"}, headers={"Accept": "text/csv"})
        self.assertGreater(int(answer.headers["x-lakehouse-transferred-bytes"]), 0)
        self.assertGreater(int(answer.headers["x-lakehouse-transferred-requests"]), 1)
        self.assertEqual(int(answer.headers["x-lakehouse-cached-bytes"]), 0)
        again = self.lake.post("/v1/sql", {"sql": "SELECT sum(c31) FROM wide"}, headers={"Accept": "text/csv"})
        self.assertLessEqual(int(again.headers["x-lakehouse-transferred-bytes"]), OPENING)
        self.assertGreater(int(again.headers["x-lakehouse-cached-bytes"]), 0)
        self.assertGreater(self.metric('lakehouse_store_remote_bytes_total{bucket="far"}'), 0)
        self.assertGreater(self.metric('lakehouse_store_remote_requests_total{bucket="far"}'), 0)
        self.assertGreater(self.metric('lakehouse_store_cache_hits_total{tier="memory"}'), 0)
        self.assertGreater(self.metric("lakehouse_store_cache_misses_total"), 0)

    def test_without_any_cache_the_answers_are_the_same(self):
        with self.new_lake("remote-no-cache", cache_memory=0, cache_disk=0) as lake:
            fill(lake)
            first = [lake.rows(sql) for sql in QUESTIONS]
            self.assertEqual([lake.rows(sql) for sql in QUESTIONS], first)
            self.assertEqual(first[0], [[ROWS]])
            self.assertFalse(os.path.exists(os.path.join(lake.data, "cache", "blocks")))

    def test_a_cache_smaller_than_the_object_changes_no_answer(self):
        with self.new_lake("remote-small-cache", cache_memory='"1MiB"', cache_disk='"4MiB"') as lake:
            fill(lake)
            first = [lake.rows(sql) for sql in QUESTIONS]
            self.assertEqual([lake.rows(sql) for sql in QUESTIONS], first)
            self.assertEqual(first[0], [[ROWS]])
