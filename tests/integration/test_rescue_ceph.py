"""The same on Ceph: a lake whose primary, second and rescue bucket are in a real object store, proven, copied, verified, restored."""

import json
import subprocess
import unittest

from ceph import Ceph, missing
from lake import Lake, program, wait_until
from rescue import replicate

ONE_TOPOLOGY_ONLY = True


def bucket(name, ceph, there, role=""):
    return (f'[[bucket]]\nname = "{name}"\nbackend = "s3"\nendpoint = "{ceph.endpoint}"\nbucket = "{there}"\ncredentials = "CEPH"\n'
            f'path_style = true\n{f"role = {json.dumps(role)}" if role else ""}\n')


@unittest.skipIf(missing(), f"not installed: {missing()}")
class OnCeph(unittest.TestCase):
    JOIN = "SELECT name, job FROM people JOIN jobs USING (id) ORDER BY id"
    WANT = [["Ann", "Pilot"], ["Bob", "Baker"]]

    @classmethod
    def setUpClass(cls):
        cls.ceph = Ceph()
        cls.ceph.__enter__()
        cls.secrets = {"LAKEHOUSE_SECRET_CEPH_ACCESS_KEY_ID": cls.ceph.access_key_id,
                       "LAKEHOUSE_SECRET_CEPH_SECRET_ACCESS_KEY": cls.ceph.secret_access_key}
        for name in ("lake", "far", "copies", "restored", "far2"):
            cls.ceph.bucket(name)

    @classmethod
    def tearDownClass(cls):
        cls.ceph.__exit__(None, None, None)

    def fill(self, lake):
        lake.ingest("people", b"id,name\n1,Ann\n")
        lake.ingest("people", b"id,name\n2,Bob\n", mode="append")
        lake.ingest("jobs", b"id,job\n1,Pilot\n2,Baker\n", headers={"X-Lakehouse-Bucket": "far"})

    def verify(self, lake):
        done = subprocess.run([program("lakehouse"), "verify", "--deep", "--url", lake.url, "--format", "json"],
                              stdout=subprocess.PIPE, timeout=300)
        return json.loads(done.stdout)["differences"]

    def restore(self, lake, source, there):
        """Copies the copies of a bucket to another one, as any S3 client would."""
        cursor = ""
        while True:
            page = lake.get(f"/v1/storage/buckets/spare/objects?prefix={source}/{cursor}").json
            for item in page["objects"]:
                data = lake.get("/v1/storage/buckets/spare/objects/" + item["key"]).body
                self.ceph.request("PUT", f"/{there}/{item['key'][len(source) + 1:]}", data)
            if not page.get("next_cursor"):
                return
            cursor = "&cursor=" + page["next_cursor"]

    def test_1_proven_joined_copied_verified_and_restored(self):
        config = bucket("primary", self.ceph, "lake") + bucket("far", self.ceph, "far") + bucket("spare", self.ceph, "copies", "rescue")
        with Lake(config, env=self.secrets) as lake:
            wait_until(lambda: lake.get("/readyz").status == 200, what="the lake to be ready")
            for b in lake.get("/v1/storage/health").json["buckets"]:
                self.assertTrue(b["proven"]["capabilities"]["conditional_put"], b)
                self.assertTrue(b["proven"]["capabilities"]["compare_and_swap"], b)
                self.assertTrue(b["proven"]["capabilities"]["range"] and b["proven"]["capabilities"]["list"], b)
            self.fill(lake)
            self.assertEqual(lake.rows(self.JOIN), self.WANT)
            self.assertEqual(replicate(lake)["failed"], 0)
            self.assertEqual(replicate(lake)["failed"], 0)
            self.assertEqual(self.verify(lake), [])
            self.restore(lake, "primary", "restored")
            self.restore(lake, "far", "far2")
        config = bucket("primary", self.ceph, "restored") + bucket("far", self.ceph, "far2")
        with Lake(config, env=self.secrets) as lake:
            self.assertEqual(lake.rows(self.JOIN), self.WANT)
            self.assertEqual(lake.rows('SELECT name FROM "people@1"'), [["Ann"]])
            self.assertEqual(self.verify(lake), [])

    def test_2_when_ceph_is_gone_the_copies_here_answer(self):
        config = ('[[bucket]]\nname = "spare"\nrole = "rescue"\n[store]\ncache_memory = 0\ncache_disk = 0\nrescue_after = "1s"\n' +
                  bucket("far", self.ceph, "far"))
        with Lake(config, env=self.secrets) as lake:
            self.fill(lake)
            self.assertEqual(replicate(lake)["failed"], 0)
            self.ceph.stop()
            answer = lake.sql(self.JOIN)
            self.assertEqual((answer["rows"], answer["rescue_used"]), (self.WANT, "spare"))


if __name__ == "__main__":
    unittest.main()
