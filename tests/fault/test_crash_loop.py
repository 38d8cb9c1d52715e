"""SIGKILL at random moments during ingest, commit, journal and collection; then nothing acknowledged is missing.

LAKEHOUSE_CRASH_ROUNDS kills (20 unless told; half as many over S3), LAKEHOUSE_CRASH_SEED repeats a run's choices.
"""

import os
import random
import threading
import time
import unittest
import uuid

import ceph
from lake import Lake, wait_until


class CrashLoop(unittest.TestCase):
    def test_what_was_acknowledged_is_there_once_after_every_kill(self):
        self.loop(Lake(), int(os.environ.get("LAKEHOUSE_CRASH_ROUNDS", "20")))

    def test_over_s3_too(self):
        store = ceph.shared()
        bucket = store.bucket(f"crash-{uuid.uuid4().hex[:12]}")
        config = (f'[[bucket]]\nname = "primary"\nbackend = "s3"\nendpoint = "{store.endpoint}"\nbucket = "{bucket}"\n'
                  'credentials = "CEPH"\n')
        env = {"LAKEHOUSE_SECRET_CEPH_ACCESS_KEY_ID": store.access_key_id,
               "LAKEHOUSE_SECRET_CEPH_SECRET_ACCESS_KEY": store.secret_access_key}
        self.loop(Lake(config=config, env=env), max(1, int(os.environ.get("LAKEHOUSE_CRASH_ROUNDS", "20")) // 2))

    def loop(self, lake, rounds):
        seed = int(os.environ.get("LAKEHOUSE_CRASH_SEED", str(random.randrange(1 << 30))))
        print(f"crash loop: {rounds} rounds, seed {seed}")
        dice = random.Random(seed)
        acknowledged = {}   # dataset -> {value: version}
        uncertain = {}      # dataset -> values whose answer was lost
        next_value = 0
        try:
            for round_number in range(rounds):
                lake.start()
                stop = threading.Event()
                lock = threading.Lock()

                def work(name):
                    nonlocal next_value
                    while not stop.is_set():
                        with lock:
                            waiting = uncertain.setdefault(name, [])
                            if waiting:
                                value = waiting[0]
                            else:
                                next_value += 1
                                value = next_value
                                waiting.append(value)
                        try:
                            answer = lake.post(f"/v1/ingest?dataset={name}&mode=append&format=csv", b"v\n%d\n" % value, timeout=30)
                        except Exception:
                            return
                        if answer.status in (200, 201):
                            with lock:
                                uncertain[name].remove(value)
                                acknowledged.setdefault(name, {})[value] = answer.json["version"]
                        elif answer.status not in (409, 503):
                            raise AssertionError(answer)

                def collect():
                    while not stop.is_set():
                        try:
                            lake.post("/v1/catalog/gc", {"dry_run": False, "older_than_s": 0}, timeout=30)
                        except Exception:
                            return

                threads = [threading.Thread(target=work, args=(f"t{i}",)) for i in range(3)]
                threads.append(threading.Thread(target=collect))
                for t in threads:
                    t.start()
                time.sleep(dice.uniform(0.02, 0.6))  # the moment of the kill, not a wait for anything
                lake.kill()
                stop.set()
                for t in threads:
                    t.join()
                self.check(lake, acknowledged, uncertain, f"round {round_number}, seed {seed}")
        finally:
            for p in lake.processes.values():
                p.kill()
            lake.remove()

    def check(self, lake, acknowledged, uncertain, label):
        lake.start()
        for name, values in acknowledged.items():
            rows = [r[0] for r in lake.rows(f"SELECT v FROM {name} ORDER BY v", limit=100000)]
            self.assertEqual(len(rows), len(set(rows)), f"a duplicated row in {name}, {label}")
            missing = set(values) - set(rows)
            self.assertEqual(missing, set(), f"lost rows of {name}, {label}")
            extra = set(rows) - set(values) - set(uncertain.get(name, []))
            self.assertEqual(extra, set(), f"rows nobody sent in {name}, {label}")
            versions = [v["version"] for v in
                        lake.get(f"/v1/catalog/datasets/{name}/versions?limit=1000").json["versions"]]
            self.assertEqual(sorted(versions), list(range(1, len(rows) + 1)), f"half a version in {name}, {label}")
            value, version = random.choice(list(values.items()))
            repeated = lake.ingest(name, b"v\n%d\n" % value, format="csv", mode="append")
            self.assertTrue(repeated["unchanged"], label)

            def events():
                found = set()
                for e in lake.get(f"/v1/journal?entity={name}&limit=1000").json["events"]:
                    if e["action"] == "version.committed":
                        found.add(e["new"]["version"])
                return found >= set(values.values())
            wait_until(events, what=f"an event for each acknowledged version of {name}, {label}")
        lake.kill()


if __name__ == "__main__":
    unittest.main()
