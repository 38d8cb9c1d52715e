"""Many clients at once: one winner a version, no lost row, readers always see a whole version."""

import threading
import unittest

from lake import Lake


class Concurrency(unittest.TestCase):
    def test_appends_from_many_clients_are_all_there_once(self):
        with Lake() as lake:
            outcomes = []

            def append(worker):
                for i in range(6):
                    n = worker * 100 + i
                    while True:
                        answer = lake.post("/v1/ingest?dataset=log&mode=append&format=csv", b"n\n%d\n" % n)
                        if answer.status in (200, 201):
                            break
                        assert answer.status in (409, 503), answer
                    outcomes.append(answer.json["version"])

            threads = [threading.Thread(target=append, args=(w,)) for w in range(6)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(len(outcomes), 36)
            rows = [r[0] for r in lake.rows("SELECT n FROM log ORDER BY n")]
            self.assertEqual(rows, sorted(w * 100 + i for w in range(6) for i in range(6)))
            versions = [v["version"] for v in lake.get("/v1/catalog/datasets/log/versions?limit=100").json["versions"]]
            self.assertEqual(sorted(versions), list(range(1, 37)))

    def test_readers_see_whole_versions_while_they_change(self):
        with Lake() as lake:
            def content(v):
                return b"v\n" + b"%d\n" % v * 1000

            lake.ingest("t", content(0), format="csv")
            stop, wrong, reads = threading.Event(), [], []

            def read():
                while not stop.is_set():
                    row = lake.rows("SELECT count(*), min(v), max(v) FROM t")[0]
                    reads.append(row)
                    if row[0] != 1000 or row[1] != row[2]:
                        wrong.append(row)

            threads = [threading.Thread(target=read) for _ in range(4)]
            for t in threads:
                t.start()
            for v in range(1, 25):
                lake.ingest("t", content(v), format="csv")
            stop.set()
            for t in threads:
                t.join()
            self.assertEqual(wrong, [])
            self.assertGreater(len(reads), 10)

    def test_a_burst_past_the_queue_is_refused_politely(self):
        with Lake(config="[http]\nworkers = 2\nqueue_length = 2\n") as lake:
            statuses = []

            def ask():
                answer = lake.post("/v1/sql", {"sql": "SELECT sum(sqrt(range)) FROM range(3000000)"})
                statuses.append((answer.status, answer.headers.get("retry-after")))

            threads = [threading.Thread(target=ask) for _ in range(24)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            codes = {s for s, _ in statuses}
            self.assertTrue(codes <= {200, 503}, codes)
            self.assertIn(200, codes)
            self.assertTrue(all(retry for s, retry in statuses if s == 503))
            self.assertEqual(lake.value("SELECT 1"), 1)


if __name__ == "__main__":
    unittest.main()
