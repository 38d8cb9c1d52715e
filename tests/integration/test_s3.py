"""Buckets in S3: Ceph's RADOS Gateway as the store, straight and over a way that loses, breaks and repeats."""

import os
import resource
import signal
import subprocess
import tempfile
import threading
import unittest
import uuid

import lake as harness
from ceph import shared as ceph
from door import DOOR, KEYS, Door
from faulty import Faulty, Tls
from lake import Lake, wait_until

CANARY = "Canary7fb1c2d9e0"
FAST = '[s3]\npart_size = "5MiB"\nbackoff_first = "5ms"\nbackoff_max = "100ms"\n'


def new_bucket(keys=None):
    return ceph().bucket(f"lake-{uuid.uuid4().hex[:12]}", keys=keys)


def secrets(name="CEPH", keys=None):
    access, secret = keys or (ceph().access_key_id, ceph().secret_access_key)
    return {f"LAKEHOUSE_SECRET_{name}_ACCESS_KEY_ID": access, f"LAKEHOUSE_SECRET_{name}_SECRET_ACCESS_KEY": secret}


def bucket_toml(name, bucket, endpoint=None, credentials="CEPH"):
    return (f'[[bucket]]\nname = "{name}"\nbackend = "s3"\nendpoint = "{endpoint or ceph().endpoint}"\n'
            f'bucket = "{bucket}"\ncredentials = "{credentials}"\n')


def only_once(test):
    return unittest.skipUnless(harness.topology() == "one", "the same in every topology")(test)


class Conformance(unittest.TestCase):
    def run_suite(self, endpoint, more="", bucket=None, **env):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as f:
            f.write(FAST + more + bucket_toml("far", bucket or new_bucket(), endpoint))
            f.flush()
            done = subprocess.run([os.path.join(harness.BUILD, "tests", "store_conformance")], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=600,
                                  env={**os.environ, **secrets(), "CONFORMANCE_CONFIG": f.name, "CONFORMANCE_BUCKET": "far", **env})
        self.assertEqual(done.returncode, 0, done.stdout.decode(errors="replace")[-4000:])

    @only_once
    def test_ceph_does_what_a_bucket_has_to_do(self):
        self.run_suite(ceph().endpoint)

    @only_once
    def test_our_own_door_does_what_a_bucket_has_to_do(self):
        """A bucket whose store is another lake; straight, and over a bad way."""
        with Lake(config=DOOR, env=KEYS) as other:
            door = Door(other)
            self.run_door(door, door.url)
            with Faulty(door.url, seed=3, chance=0.03, delay=0.02) as way:
                self.run_door(door, way.endpoint, "attempts_max = 10\nretry_budget = 100000\n", CONFORMANCE_FAULTY="1",
                              CONFORMANCE_KEYS="60", CONFORMANCE_SEED="3")

    def run_door(self, door, endpoint, more="", **env):
        keys = secrets("CEPH", (KEYS["LAKEHOUSE_SECRET_S3_DOOR_ACCESS_KEY_ID"], KEYS["LAKEHOUSE_SECRET_S3_DOOR_SECRET_ACCESS_KEY"]))
        bucket = f"b-{uuid.uuid4().hex[:12]}"
        made = door.lake.post("/v1/storage/buckets", {"name": bucket, "backend": "local"})
        self.assertEqual(made.status, 201, made)
        self.run_suite(endpoint, more, bucket=bucket, **keys, **env)

    @only_once
    def test_a_bad_way_makes_no_operation_lie(self):
        for seed in (1, 2):
            with Faulty(ceph().endpoint, seed=seed, chance=0.03, delay=0.02) as way:
                self.run_suite(way.endpoint, "attempts_max = 10\nretry_budget = 100000\n", CONFORMANCE_FAULTY="1",
                               CONFORMANCE_KEYS="60", CONFORMANCE_SEED=str(seed))
                self.assertGreater(len(way.done), 7, way.done)


class PrimaryInS3(unittest.TestCase):
    """A lake that has nothing but a bucket in S3."""

    @classmethod
    def setUpClass(cls):
        cls.config = FAST + bucket_toml("primary", new_bucket())
        cls.lake = Lake(config=cls.config, env=secrets()).start()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def test_files_become_datasets_and_answers(self):
        rows = "".join(f"{i},name {i},{i % 7}\n" for i in range(20000))
        done = self.lake.ingest("people", b"id,name,team\n" + rows.encode(), format="csv")
        self.assertEqual((done["version"], done["rows"]), (1, 20000))
        self.assertEqual(self.lake.rows("SELECT team, count(*) FROM people GROUP BY team ORDER BY team LIMIT 2"),
                         [[0, 2858], [1, 2857]])
        again = self.lake.ingest("people", b"id,name,team\n" + rows.encode(), format="csv")
        self.assertTrue(again["unchanged"])
        more = self.lake.ingest("people", b"id,name,team\n20000,late,9\n", format="csv", mode="append")
        self.assertEqual((more["version"], self.lake.value("SELECT count(*) FROM people")), (2, 20001))
        self.assertEqual(self.lake.value('SELECT count(*) FROM "people@1"'), 20000)
        back = self.lake.post("/v1/catalog/datasets/people/rollback", {"version": 1})
        self.assertIn(back.status, (200, 201), back)
        self.assertEqual(self.lake.value("SELECT count(*) FROM people"), 20000)

    def test_a_process_with_an_empty_disk_knows_everything(self):
        self.lake.ingest("kept", b"a\n1\n2\n", format="csv")
        with Lake(config=self.config, env=secrets()) as other:
            self.assertEqual(other.rows("SELECT a FROM kept ORDER BY a"), [[1], [2]])
            other.ingest("from_other", b"a\n3\n", format="csv")
        wait_until(lambda: self.lake.post("/v1/sql", {"sql": "SELECT a FROM from_other"}).status == 200,
                   what="the version that the other process committed")

    @only_once
    def test_two_processes_race_on_one_bucket_and_read_each_others_writes(self):
        slow = 'catalog.refresh_interval = "1h"\n' + self.config
        with Lake(config=slow, env=secrets()) as a, Lake(config=slow, env=secrets()) as b:
            def append(lake, worker):
                for i in range(3):
                    while lake.post("/v1/ingest?dataset=raced&mode=append&format=csv", b"n\n%d\n" % (worker * 10 + i)).status not in (200, 201):
                        pass
            threads = [threading.Thread(target=append, args=(lake, w)) for w, lake in enumerate([a, b, a, b])]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            expected = [[w * 10 + i] for w in range(4) for i in range(3)]
            for lake in (a, b):
                self.assertEqual(lake.rows("SELECT n FROM raced ORDER BY n"), expected)
                versions = lake.get("/v1/catalog/datasets/raced/versions?limit=100").json["versions"]
                self.assertEqual(sorted(v["version"] for v in versions), list(range(1, 13)))
            for i in range(4):
                writer, reader = (a, b) if i % 2 == 0 else (b, a)
                writer.ingest("turns", b"n\n%d\n" % i, format="csv")
                self.assertEqual(reader.value("SELECT n FROM turns"), i)

    def test_objects_are_put_read_in_ranges_listed_and_removed(self):
        path = "/v1/storage/buckets/primary/objects/"
        data = os.urandom(6 << 20)
        put = self.lake.request("PUT", path + "big/a%20b%2Bc", data)
        self.assertIn(put.status, (200, 201), put)
        got = self.lake.get(path + "big/a%20b%2Bc", headers={"Range": "bytes=5000000-5000099"})
        self.assertEqual((got.status, got.body), (206, data[5000000:5000100]))
        self.assertEqual(self.lake.get(path + "big/a%20b%2Bc").body, data)
        self.assertEqual(self.lake.request("PUT", path + "big/a%20b%2Bc", b"x", headers={"If-None-Match": "*"}).status, 412)
        listed = self.lake.get("/v1/storage/buckets/primary/objects?prefix=big/").json["objects"]
        self.assertEqual([(o["key"], o["size_bytes"]) for o in listed], [("big/a b+c", 6 << 20)])
        self.assertEqual(self.lake.request("DELETE", path + "big/a%20b%2Bc").status, 204)
        self.assertEqual(self.lake.get(path + "big/a%20b%2Bc").status, 404)

    def test_the_store_is_seen_in_the_metrics(self):
        self.lake.ingest("counted", b"a\n1\n", format="csv")
        kinds = []
        for process in self.lake.processes.values():
            answer = self.lake.get("/metrics") if process.url == self.lake.url else None
            kinds.append(answer.text if answer else "")
        if self.lake.kind == "one":
            self.assertRegex("".join(kinds), r'lakehouse_s3_requests_total\{bucket="primary",operation="put",outcome="ok"\} [1-9]')

    def test_the_probe_proves_conditions(self):
        health = self.lake.get("/v1/storage/health").json["buckets"][0]
        self.assertTrue(health["reachable"], health)
        self.assertTrue(health["capabilities"]["conditional_put"], health)
        self.assertTrue(health["capabilities"]["compare_and_swap"], health)


class BadStores(unittest.TestCase):
    """What is wrong with a store is told as what it is."""

    @classmethod
    def setUpClass(cls):
        cls.small = ceph().user(f"small-{uuid.uuid4().hex[:8]}", max_bytes=100_000)
        wrong = (ceph().access_key_id, "x" * 40)
        nobody = ("NOBODY", "y" * 40)
        cls.lake = Lake(config=FAST + "attempts_max = 2\n", env={**secrets(), **secrets("WRONG", wrong), **secrets("NOBODY", nobody),
                                                                  **secrets("SMALL", cls.small)}).start()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def add(self, name, **more):
        spec = {"name": name, "backend": "s3", "endpoint": ceph().endpoint, "bucket": name, "credentials": "CEPH", **more}
        return self.lake.post("/v1/storage/buckets", spec)

    def test_wrong_keys_are_told(self):
        bucket = new_bucket()
        for credentials in ("WRONG", "NOBODY"):
            answer = self.add(bucket, credentials=credentials)
            self.assertEqual((answer.status, answer.json["code"]), (503, "s3.credentials"), answer)
            self.assertNotIn("xxxx", answer.text)
            self.assertNotIn("yyyy", answer.text)

    def test_keys_that_nobody_gave_are_told(self):
        answer = self.add(new_bucket(), credentials="ABSENT")
        self.assertEqual((answer.status, answer.json["code"]), (503, "s3.credentials"), answer)
        self.assertIn("ABSENT", answer.json["detail"])
        self.assertEqual(self.add(new_bucket(), credentials="lower").json["code"], "store.bucket_credentials")
        missing = self.lake.post("/v1/storage/buckets", {"name": "far-1", "backend": "s3"})
        self.assertEqual((missing.status, missing.json["code"]), (400, "request.field_missing"))

    def test_a_bucket_that_is_not_there_is_told_when_added_and_when_it_vanishes(self):
        answer = self.add("never-made")
        self.assertEqual((answer.status, answer.json["code"]), (503, "s3.no_such_bucket"), answer)
        bucket = new_bucket()
        self.assertEqual(self.add(bucket).status, 201)
        self.assertEqual(ceph().request("DELETE", f"/{bucket}")[0], 204)
        answer = self.lake.request("PUT", f"/v1/storage/buckets/{bucket}/objects/a", b"x")
        self.assertEqual((answer.status, answer.json["code"]), (503, "s3.no_such_bucket"), answer)
        answer = self.lake.get(f"/v1/storage/buckets/{bucket}/objects/a")
        self.assertEqual((answer.status, answer.json["code"]), (503, "s3.no_such_bucket"), answer)
        wait_until(lambda: any(e["code"] == "s3.no_such_bucket" and e["bucket"] == bucket
                               for e in self.lake.get("/v1/errors").json["errors"]), what="the failure in /v1/errors")

    def test_a_store_that_is_full_is_told(self):
        bucket = new_bucket(keys=self.small)
        self.assertEqual(self.add(bucket, credentials="SMALL").status, 201)
        answer = self.lake.request("PUT", f"/v1/storage/buckets/{bucket}/objects/a", b"x" * 200_000)
        self.assertEqual((answer.status, answer.json["code"]), (507, "store.no_space"), answer)

    def test_a_store_that_is_not_there_is_told(self):
        port = harness.free_ports(1)[0]
        answer = self.add("nowhere", endpoint=f"http://127.0.0.1:{port}")
        self.assertEqual((answer.status, answer.json["code"]), (503, "net.connect"), answer)

    def test_one_bucket_of_a_store_has_one_name(self):
        bucket = new_bucket()
        self.assertEqual(self.add(bucket).status, 201)
        self.assertEqual(self.add(bucket).status, 409)
        self.assertEqual(self.add("other-name", bucket=bucket).json["code"], "store.bucket_endpoint")
        listed = {b["name"]: b for b in self.lake.get("/v1/storage/buckets").json["buckets"]}
        self.assertEqual(listed[bucket], {"name": bucket, "backend": "s3", "endpoint": ceph().endpoint, "region": "us-east-1",
                                          "bucket": bucket, "path_style": True, "credentials": "CEPH"})
        self.assertEqual(self.lake.request("DELETE", f"/v1/storage/buckets/{bucket}").status, 204)


class Transport(unittest.TestCase):
    def check_bucket(self, lake, bucket, **spec):
        answer = lake.post("/v1/storage/buckets", {"name": bucket, "backend": "s3", "bucket": bucket, "credentials": "CEPH", **spec})
        self.assertEqual(answer.status, 201, answer)
        path = f"/v1/storage/buckets/{bucket}/objects/"
        for key in ("a", "a%20b/c%2Bd"):
            self.assertIn(lake.request("PUT", path + key, key.encode()).status, (200, 201))
            self.assertEqual(lake.get(path + key).body, key.encode())
        self.assertEqual([o["key"] for o in lake.get(path[:-1]).json["objects"]], ["a", "a b/c+d"])

    @only_once
    def test_the_bucket_may_stand_in_the_host(self):
        port = ceph().endpoint.rsplit(":", 1)[1]
        with Lake(config=FAST, env=secrets()) as lake:
            self.check_bucket(lake, new_bucket(), endpoint=f"http://localhost:{port}", path_style=False)

    @only_once
    def test_certificates_are_checked(self):
        with Tls(ceph().endpoint) as tls:
            with Lake(config=FAST + f'ca_file = "{tls.certificate}"\n', env=secrets()) as lake:
                self.check_bucket(lake, new_bucket(), endpoint=tls.endpoint)
            with Lake(config=FAST, env=secrets()) as lake:
                answer = lake.post("/v1/storage/buckets", {"name": "untrusted", "backend": "s3", "endpoint": tls.endpoint,
                                                           "credentials": "CEPH"})
                self.assertEqual((answer.status, answer.json["code"]), (503, "net.tls"), answer)


class Canary(unittest.TestCase):
    """A secret is looked for in everything that leaves the process."""

    def test_a_secret_is_in_no_output(self):
        bucket, other = new_bucket(), new_bucket()
        folder = tempfile.mkdtemp(prefix="lakehouse-canary-")
        path = os.path.join(folder, "secrets.toml")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(f'[FILED]\naccess_key_id = "{ceph().access_key_id}"\nsecret_access_key = "{CANARY}file"\n')
        env = {**secrets(), **secrets("WRONG", (ceph().access_key_id, CANARY + "environment")),
               "LAKEHOUSE_SECRET_WRONG_SESSION_TOKEN": CANARY + "token"}
        config = f'[secrets]\nfile = "{path}"\n[log]\nlevel = "debug"\n' + FAST + bucket_toml("far", bucket)
        seen = {}
        with Lake(config=config, env=env) as lake:
            for name, credentials in (("wrong-1", "WRONG"), ("wrong-2", "FILED")):
                spec = {"name": name, "backend": "s3", "endpoint": ceph().endpoint, "bucket": other, "credentials": credentials}
                answer = lake.post("/v1/storage/buckets", spec)
                self.assertEqual(answer.status, 503, answer)
                seen[f"problem {name}"] = answer.body
            good = {"name": "good-1", "backend": "s3", "endpoint": ceph().endpoint, "bucket": other, "credentials": "CEPH"}
            self.assertEqual(lake.post("/v1/storage/buckets", good).status, 201)
            lake.request("PUT", "/v1/storage/buckets/far/objects/a", b"x")
            for route in ("/v1/status", "/v1/errors", "/metrics", "/v1/storage/buckets", "/v1/storage/health", "/readyz",
                          "/v1/journal", "/v1/storage/buckets/good-1/objects"):
                seen[route] = lake.get(route).body
            seen["record"] = lake.get("/v1/storage/buckets/primary/objects/_storage/buckets/good-1.json").body
            self.assertIn(b'"credentials":"CEPH"', seen["record"])
            for name, process in lake.processes.items():
                self.look_at_process(name, process.popen.pid, seen)
            shown = subprocess.run([harness.program("lakehouse"), "config", "show", "--config", lake.path("lakehouse.toml")],
                                   env=lake._environment(None), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
            self.assertEqual(shown.returncode, 0, shown.stdout)
            seen["config show"] = shown.stdout
            seen["logs"] = "".join(open(os.path.join(lake.folder, n), errors="replace").read()
                                   for n in os.listdir(lake.folder) if n.endswith(".log")).encode()
            for top, _, names in os.walk(lake.data):
                for name in names:
                    with open(os.path.join(top, name), "rb") as f:
                        seen[os.path.join(top, name)] = f.read()
        leaked = [where for where, what in seen.items() if CANARY.encode() in what or ceph().secret_access_key.encode() in what]
        self.assertEqual(leaked, [])

    def look_at_process(self, name, pid, seen):
        for part in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{part}", "rb") as f:
                seen[f"{part} of {name}"] = f.read()

    def test_a_process_that_aborts_leaves_no_core_with_the_secret(self):
        """With every limit off, what the kernel writes when the process is told to dump core does not hold the secret."""
        with open("/proc/sys/kernel/core_pattern") as f:
            pattern = f.read().strip()
        env = secrets("MODEL", (CANARY + "id", CANARY + "secret"))
        lake = Lake(env=env)
        before = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        here = os.getcwd()
        os.chdir(lake.folder)
        try:
            lake.start()
            for process in lake.processes.values():
                with open(f"/proc/{process.popen.pid}/smaps") as f:
                    flags = [line for line in f if line.startswith("VmFlags:")]
                self.assertTrue(any(" dd" in line and " wf" in line for line in flags), "a page that is left out of core files")
                owner = os.stat(f"/proc/{process.popen.pid}/mem").st_uid
                self.assertEqual(owner, 0, "an undumpable process belongs to root in /proc")
                process.popen.send_signal(signal.SIGABRT)
                process.popen.wait()
                status = process.popen.returncode
                self.assertEqual(status, -signal.SIGABRT)
            if not pattern.startswith("|"):
                for name in os.listdir(lake.folder):
                    if name.startswith("core"):
                        with open(os.path.join(lake.folder, name), "rb") as f:
                            self.assertNotIn(CANARY.encode(), f.read())
        finally:
            os.chdir(here)
            resource.setrlimit(resource.RLIMIT_CORE, before)
            lake.remove()


if __name__ == "__main__":
    unittest.main()
