"""Several processes on one bucket: who commits, what each of them sees, and what becomes of one that stood still."""

import glob
import os
import signal
import threading
import time
import unittest

from lake import Lake, wait_until

ONE_TOPOLOGY_ONLY = True

CONFIG = """
catalog.refresh_interval = "200ms"
catalog.writer_ttl = "1s"
catalog.clock_skew_max = "400ms"
"""


class TwoWriters(unittest.TestCase):
    def test_appends_through_two_processes_are_all_there_once(self):
        with Lake(CONFIG) as a, Lake(CONFIG, data=a.data) as b:
            def append(lake, worker):
                for i in range(5):
                    while lake.post("/v1/ingest?dataset=log&mode=append&format=csv",
                                    b"n\n%d\n" % (worker * 100 + i)).status not in (200, 201):
                        pass

            threads = [threading.Thread(target=append, args=(lake, w)) for w, lake in enumerate([a, b, a, b])]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            expected = [[w * 100 + i] for w in range(4) for i in range(5)]
            for lake in (a, b):
                self.assertEqual(lake.rows("SELECT n FROM log ORDER BY n"), expected)
                versions = lake.get("/v1/catalog/datasets/log/versions?limit=100").json["versions"]
                self.assertEqual(sorted(v["version"] for v in versions), list(range(1, 21)))

    def test_a_write_through_one_process_is_read_through_the_other_at_once(self):
        slow = CONFIG.replace("200ms", "1h")
        with Lake(slow) as a, Lake(slow, data=a.data) as b:
            for i in range(10):
                writer, reader = (a, b) if i % 2 == 0 else (b, a)
                writer.ingest("t", b"n\n%d\n" % i, format="csv")
                self.assertEqual(reader.value("SELECT n FROM t"), i)
                self.assertEqual(reader.get("/v1/catalog/datasets/t").json["version"], i + 1)
            a.request("DELETE", "/v1/catalog/datasets/t")
            b.sql("SELECT n FROM t", expect=404)
            b.ingest("t", b"n\n7\n", format="csv")
            self.assertEqual(a.value("SELECT n FROM t"), 7)

    def test_an_idle_process_lists_what_another_has_made_within_its_interval(self):
        with Lake(CONFIG) as a, Lake(CONFIG, data=a.data) as b:
            a.ingest("fresh", b"n\n1\n", format="csv")
            began = time.monotonic()
            wait_until(lambda: any(d["name"] == "fresh" for d in b.get("/v1/catalog/datasets").json["datasets"]),
                       timeout=10, what="the other process's list")
            print(f"seen after {1000 * (time.monotonic() - began):.0f} ms at an interval of 200 ms")

    def test_a_process_that_stood_still_past_its_writer_cannot_commit(self):
        with Lake(CONFIG) as a, Lake(CONFIG, data=a.data) as b:
            b.restart(faults="catalog.commit.before_put=delay:1500@1")
            a.ingest("t", b"n\n1\n", format="csv", mode="append")
            answers = []
            late = threading.Thread(target=lambda: answers.append(
                b.post("/v1/ingest?dataset=t&mode=append&format=csv", b"n\n2\n")))
            late.start()
            objects = lambda: glob.glob(os.path.join(a.data, "primary", "_data", "t", "*.parquet"))
            wait_until(lambda: len(objects()) == 2, what="the object of the late writer")
            process = b.processes["lakehouse"].popen
            process.send_signal(signal.SIGSTOP)
            try:
                def collected():
                    answer = a.post("/v1/catalog/gc", {"dry_run": False, "older_than_s": 0})
                    return answer.status == 200 and answer.json["removed_objects"] == 1
                wait_until(collected, what="the collection of what the sleeper has put")
            finally:
                process.send_signal(signal.SIGCONT)
            late.join()
            self.assertEqual(answers[0].status, 409, answers[0])
            for lake in (a, b):
                self.assertEqual(lake.rows("SELECT n FROM t ORDER BY n"), [[1]])
                for version in lake.get("/v1/catalog/datasets/t/versions").json["versions"]:
                    self.assertEqual(lake.rows(f'SELECT n FROM "t@{version["version"]}"'), [[1]])
            b.ingest("t", b"n\n2\n", format="csv", mode="append", expect=(201,))
            self.assertEqual(a.rows("SELECT n FROM t ORDER BY n"), [[1], [2]])


if __name__ == "__main__":
    unittest.main()
