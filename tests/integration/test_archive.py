"""Days of the journal and of the errors that are long over become Parquet; readers notice nothing."""

import datetime
import glob
import os
import unittest
import uuid

from lake import Lake, wait_until

CONFIG = '[journal]\narchive_interval = "%s"\narchive_grace = "0"\nrefresh_interval = "0"\n'
ON, OFF = CONFIG % "100ms", CONFIG % "0"


def age(lake, log, days):
    """Makes the batches of a stopped lake as if they had been written that many days ago."""
    for path in glob.glob(lake.bucket_path(f"_journal/{log}/20*/*.ndjson")):
        day, name = path.split("/")[-2:]
        old = uuid.UUID(name[:36])
        ms = (old.int >> 80) - days * 86400000
        new = uuid.UUID(int=(ms << 80) | (old.int & ((1 << 80) - 1)))
        new_day = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%d")
        folder = lake.bucket_path(f"_journal/{log}/{new_day}")
        os.makedirs(folder, exist_ok=True)
        os.rename(path, os.path.join(folder, f"{new}.ndjson"))


def pages(lake, limit):
    events, cursor = [], ""
    while cursor is not None:
        answer = lake.get(f"/v1/journal?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status == 200, answer
        events += [e["event_id"] for e in answer.json["events"]]
        cursor = answer.json.get("next_cursor")
    return events


def batches(lake, log="events"):
    return glob.glob(lake.bucket_path(f"_journal/{log}/20*/*.ndjson"))


def archives(lake, log="events"):
    return glob.glob(lake.bucket_path(f"_journal/{log}/parquet/*/*.parquet"))


class Archive(unittest.TestCase):
    def prepared(self):
        lake = Lake(config=OFF)
        lake.start()
        for i in range(12):
            lake.ingest(f"d{i}", b"v\n1\n", format="csv")
        before = pages(lake, 1000)
        lake.stop()
        age(lake, "events", 30)
        lake.start()
        self.assertEqual(pages(lake, 1000), before)
        return lake, before

    def finish(self, lake):
        lake.stop()
        lake.remove()

    def test_old_days_become_parquet_and_pages_stay_the_same(self):
        lake, before = self.prepared()
        first = lake.get("/v1/journal?limit=5").json
        lake.ingest("today", b"v\n1\n", format="csv")
        now = pages(lake, 1000)
        lake.stop()
        lake.config = ON
        lake.start()
        wait_until(lambda: len(batches(lake)) == 1)
        self.assertEqual(len(archives(lake)), 1)
        self.assertEqual(pages(lake, 1000), now)
        self.assertEqual(pages(lake, 3), now)
        rest = lake.get(f"/v1/journal?limit=1000&cursor={first['next_cursor']}").json["events"]
        self.assertEqual([e["event_id"] for e in rest], before[5:])
        events = lake.get("/v1/journal?entity=d3").json["events"]
        self.assertEqual(events[0]["action"], "version.committed")
        self.finish(lake)

    def test_a_crash_at_any_step_loses_and_doubles_nothing(self):
        for point in ("journal.archive.before_put", "journal.archive.after_put", "journal.archive.before_delete@1",
                      "journal.archive.before_delete@4"):
            with self.subTest(point=point):
                lake, before = self.prepared()
                lake.stop()
                lake.config = ON
                name, _, number = point.partition("@")
                try:
                    lake.start(faults=f"{name}=kill" + (f"@{number}" if number else ""))
                except Exception:
                    pass  # it may die before it has said that it listens
                wait_until(lambda: any(not p.is_running() for p in lake.processes.values()))
                lake.kill()
                lake.config = OFF
                lake.start()
                self.assertEqual(pages(lake, 1000), before, point)
                self.assertEqual(len(lake.get("/v1/errors?limit=1000").json["errors"]), 0)
                lake.stop()
                lake.config = ON
                lake.start()
                wait_until(lambda: len(batches(lake)) == 0)
                self.assertEqual(pages(lake, 4), before)
                self.finish(lake)

    def test_a_batch_that_comes_late_is_read_and_archived_with_the_next(self):
        lake, before = self.prepared()
        lake.stop()
        lake.config = ON
        lake.start()
        wait_until(lambda: len(batches(lake)) == 0)
        lake.stop()
        lake.config = OFF
        lake.start()
        for i in range(3):
            lake.ingest(f"late{i}", b"v\n1\n", format="csv")
        with_late = pages(lake, 1000)
        lake.stop()
        age(lake, "events", 30)
        lake.start()
        self.assertEqual(sorted(pages(lake, 1000)), sorted(with_late))
        lake.stop()
        lake.config = ON
        lake.start()
        wait_until(lambda: len(batches(lake)) == 0)
        self.assertEqual(len(archives(lake)), 2)
        self.assertEqual(sorted(pages(lake, 1000)), sorted(with_late))
        self.finish(lake)

    def test_a_broken_archive_is_one_failure_and_hides_nothing_else(self):
        lake, before = self.prepared()
        lake.stop()
        lake.config = ON
        lake.start()
        wait_until(lambda: len(batches(lake)) == 0)
        lake.stop()
        lake.config = OFF
        path = archives(lake)[0]
        os.unlink(path)
        with open(path, "wb") as f:
            f.write(b"PAR1 no more")
        lake.start()
        lake.ingest("after", b"v\n1\n", format="csv")
        self.assertEqual(lake.get("/v1/journal?entity=after").json["events"][0]["action"], "version.committed")
        self.assertGreater(len(pages(lake, 1000)), 0)
        wait_until(lambda: any("parquet" in e["object"] for e in lake.get("/v1/errors?limit=1000").json["errors"]))
        self.finish(lake)


if __name__ == "__main__":
    unittest.main()
