"""`lakehouse verify` and the restore drill: everything is damaged once, and a copy of a lake is the lake."""

import json
import os
import shutil
import subprocess
import unittest

from lake import Lake, program

CONFIG = """
[[bucket]]
name = "spare"
role = "rescue"
[[bucket]]
name = "second"
"""


def run(lake, verb, *args):
    return subprocess.run([program("lakehouse"), verb, "--url", lake.url, *args], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300)


def verify(lake, *args):
    """(exit code, differences) of the verb against the running server."""
    done = run(lake, "verify", "--format", "json", *args)
    assert done.returncode in (0, 1), (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    assert report["objects"] > 0, report
    return done.returncode, report["differences"]


def fill(lake):
    lake.ingest("people", b"id,name\n" + b"".join(b"%d,name%d\n" % (i, i) for i in range(3000)))
    lake.ingest("people", b"id,name\n1,Ann\n2,Bob\n", mode="append")
    lake.ingest("jobs", b"id,job\n1,Pilot\n2,Baker\n", headers={"X-Lakehouse-Bucket": "second"})
    lake.ingest("people", b"id,name\n7,Cy\n")
    rejected = lake.ingest("odd", b'a,b\n1,2\n3,"4\n5,6,7,8\n', types={"a": "BIGINT"}, expect=(200, 201, 400, 422))
    assert rejected is not None
    patch = lake.request("PATCH", "/v1/catalog/datasets/people", {"description": "who works"},
                         headers={"If-Match": "*"})
    assert patch.status == 200, patch
    lake.request("PUT", "/v1/storage/buckets/primary/objects/notes/a.txt", b"hello")
    lake.request("PUT", "/v1/storage/buckets/primary/objects/notes/empty", b"")
    added = lake.post("/v1/storage/buckets", {"name": "third", "backend": "local"})
    assert added.status == 201, added


def files(folder):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)


def flip(path, at=None):
    size = os.path.getsize(path)
    at = size // 2 if at is None else at
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 0x55]))


def rewrite(path, data):
    """As somebody does who copies a file without what is kept beside it."""
    os.unlink(path)
    with open(path, "wb") as f:
        f.write(data)


class Verify(unittest.TestCase):
    def setUp(self):
        self.lake = Lake(CONFIG)
        self.lake.__enter__()
        fill(self.lake)
        assert run(self.lake, "replicate").returncode == 0
        self.primary = os.path.join(self.lake.data, "primary")

    def tearDown(self):
        self.lake.__exit__(None, None, None)

    def data_files(self, dataset, bucket="primary"):
        root = self.primary if bucket == "primary" else os.path.join(self.lake.data, "buckets", bucket)
        return files(os.path.join(root, "_data", dataset))

    def assert_found(self, what, key_part, *args, bucket="primary"):
        code, differences = verify(self.lake, *args)
        found = [d for d in differences if d["what"] == what and key_part in d["key"] and d["bucket"] == bucket]
        self.assertTrue(found, (what, key_part, differences))
        self.assertEqual(code, 1)
        for d in found:
            self.assertTrue(d["expected"] and d["found"], d)
        return found

    def test_an_intact_lake_has_no_difference(self):
        self.assertEqual(verify(self.lake), (0, []))
        self.assertEqual(verify(self.lake, "--deep"), (0, []))

    def test_the_route_answers_as_one_document_too(self):
        for path in ("/v1/storage/verify", "/v1/catalog/verify"):
            answer = self.lake.post(path, {"deep": True})
            self.assertEqual((answer.status, answer.json["differences"]), (200, []), answer)
            self.assertGreater(answer.json["checked"]["objects"], 0)
            self.assertEqual(self.lake.post(path, {"deeper": True}).status, 400)

    def test_a_flipped_byte_of_a_data_object_is_found_by_reading_it(self):
        path = self.data_files("people")[0]
        flip(path)
        self.assert_found("checksum", os.path.basename(path), "--deep")

    def test_the_rescue_bucket_does_not_hide_what_is_damaged(self):
        path = self.data_files("people")[0]
        flip(path)
        self.assertEqual(self.lake.value("SELECT count(*) FROM people"), 1)
        self.assert_found("checksum", os.path.basename(path), "--deep")

    def test_a_data_object_cut_short_or_missing_is_found_without_reading(self):
        short, gone = self.data_files("people")[:2]
        with open(short, "r+b") as f:
            f.truncate(os.path.getsize(short) // 2)
        os.unlink(gone)
        self.assert_found("object", os.path.basename(short))
        self.assert_found("object", os.path.basename(gone))

    def test_an_object_that_was_exchanged_for_another_is_found(self):
        one, other = self.data_files("people")[:2]
        with open(other, "rb") as f:
            data = f.read()
        rewrite(one, data)
        self.assert_found("size", os.path.basename(one))

    def test_a_footer_that_is_none_is_found(self):
        path = self.data_files("jobs", "second")[0]
        with open(path, "rb") as f:
            data = f.read()
        rewrite(path, data[:-8] + b"\0\0\0\0XXXX")
        self.assert_found("footer", os.path.basename(path), bucket="second")
        self.assert_found("checksum", os.path.basename(path), "--deep", bucket="second")

    def test_damage_to_manifests_and_gaps_between_them_are_found(self):
        manifests = os.path.join(self.primary, "_catalog/datasets/people")
        flip(os.path.join(manifests, "0000000003.parquet"))
        self.assert_found("manifest", "people/0000000003.parquet")
        os.unlink(os.path.join(manifests, "0000000002.parquet"))
        self.assert_found("history", "people/0000000003.parquet")
        with open(os.path.join(manifests, "notes.txt"), "w") as f:
            f.write("what is this")
        self.assert_found("key", "people/notes.txt")

    def test_damage_beside_the_manifests_is_found(self):
        meta = os.path.join(self.primary, "_catalog/meta/people.json")
        rewrite(meta, b"{")
        self.assert_found("record", "meta/people.json")
        os.makedirs(os.path.join(self.primary, "_catalog/writers"), exist_ok=True)
        with open(os.path.join(self.primary, "_catalog/writers/x.json"), "w") as f:
            f.write('{"dataset":"people","written_at":"2026-01-01T00:00:00Z","expires_at":"2999-01-01T00:00:00Z"}')
        self.assert_found("lease", "writers/x.json")
        record = os.path.join(self.primary, "_storage/buckets/third.json")
        rewrite(record, b'{"name":"third"}')
        self.assert_found("record", "buckets/third.json")

    def test_damage_to_the_journal_is_found(self):
        path = files(os.path.join(self.primary, "_journal/events"))[0]
        with open(path, "rb") as f:
            data = f.read()
        rewrite(path, data[:-20])
        self.assert_found("log", os.path.basename(path))
        rewrite(path, b"not json\n")
        self.assert_found("log", os.path.basename(path))

    def test_damage_to_copies_and_their_lists_is_found(self):
        spare = os.path.join(self.lake.data, "buckets", "spare")
        copy = os.path.join(spare, "primary/notes/a.txt")
        flip(copy)
        self.assert_found("checksum", "primary/notes/a.txt", "--deep", bucket="spare")
        os.unlink(copy)
        self.assert_found("copy", "primary/notes/a.txt", bucket="spare")
        listing = os.path.join(spare, "_replica/index/primary/data.ndjson")
        with open(listing, "rb") as f:
            lines = f.readlines()
        rewrite(listing, b"".join(reversed(lines)))
        self.assert_found("list", "_replica/index/primary/data.ndjson", bucket="spare")

    def test_a_bucket_that_is_gone_is_one_difference_and_the_rest_is_looked_at(self):
        shutil.rmtree(os.path.join(self.lake.data, "buckets", "second"))
        self.assert_found("bucket", "", bucket="second")
        flip(self.data_files("people")[0])
        self.assert_found("checksum", "_data/people/", "--deep")

    def test_without_a_server_the_folder_is_verified(self):
        self.lake.stop()
        path = self.data_files("people")[0]
        flip(path)
        done = subprocess.run([program("lakehouse"), "verify", "--data", self.lake.data, "--deep", "--format", "csv",
                               "--config", os.path.join(self.lake.folder, "lakehouse.toml")],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(os.path.basename(path), done.stdout.decode())


QUERIES = [
    'SELECT * FROM people ORDER BY id',
    'SELECT count(*), sum(id), max(name) FROM "people@1"',
    'SELECT count(*), sum(id), max(name) FROM "people@2"',
    'SELECT * FROM "people@3"',
    'SELECT j.job, p.name FROM jobs j JOIN "people@2" p USING (id) ORDER BY ALL',
]


def picture(lake):
    """What a lake answers: queries over every version, the catalog, the journal, an object."""
    versions = [{k: v for k, v in version.items()} for version in
                lake.get("/v1/catalog/datasets/people/versions").json["versions"]]
    events = lake.get("/v1/journal?limit=1000").json["events"]
    return {
        "rows": [lake.rows(sql) for sql in QUERIES],
        "versions": versions,
        "description": lake.get("/v1/catalog/datasets/people").json["description"],
        "datasets": sorted(d["name"] for d in lake.get("/v1/catalog/datasets").json["datasets"]),
        "events": {e["event_id"] for e in events if e["action"] != "bucket.replicated"},
        "object": lake.get("/v1/storage/buckets/primary/objects/notes/a.txt").body,
    }


class RestoreDrill(unittest.TestCase):
    """Documented in docs/operations.md; the steps here are the steps there."""

    def assert_same_lake(self, before, config, data):
        with Lake(config, data=data) as lake:
            try:
                after = picture(lake)
                self.assertTrue(before["events"] <= after["events"])
                for what in ("rows", "versions", "description", "datasets", "object"):
                    self.assertEqual(after[what], before[what], what)
                code, differences = verify(lake, "--deep")
                self.assertEqual((code, differences), (0, []))
                lake.ingest("people", b"id,name\n8,New\n", mode="append")
                self.assertEqual(lake.value("SELECT count(*) FROM people"), len(before["rows"][0]) + 1)
            finally:
                shutil.rmtree(os.path.dirname(data), ignore_errors=True)

    def test_a_copy_of_the_buckets_is_the_lake(self):
        with Lake(CONFIG) as lake:
            fill(lake)
            before = picture(lake)
            lake.stop()
            elsewhere = lake.folder + "-elsewhere"
            shutil.copytree(os.path.join(lake.data, "primary"), os.path.join(elsewhere, "data", "primary"))
            shutil.copytree(os.path.join(lake.data, "buckets", "second"), os.path.join(elsewhere, "data", "buckets", "second"))
        self.assert_same_lake(before, '[[bucket]]\nname = "second"\n', os.path.join(elsewhere, "data"))

    def test_the_rescue_bucket_is_the_lake_as_of_its_last_run(self):
        with Lake(CONFIG) as lake:
            fill(lake)
            before = picture(lake)
            self.assertEqual(run(lake, "replicate").returncode, 0)
            lake.kill()
            elsewhere = lake.folder + "-elsewhere"
            spare = os.path.join(lake.data, "buckets", "spare")
            shutil.copytree(os.path.join(spare, "primary"), os.path.join(elsewhere, "data", "primary"))
            shutil.copytree(os.path.join(spare, "second"), os.path.join(elsewhere, "data", "buckets", "second"))
            shutil.rmtree(os.path.join(lake.data, "primary"))
        self.assert_same_lake(before, '[[bucket]]\nname = "second"\n', os.path.join(elsewhere, "data"))


if __name__ == "__main__":
    unittest.main()
