"""The S3 door as programs made for S3 use it: aws-cli, s3cmd, rclone, restic, boto3's transfers, and the AWS SDK for JavaScript, all unchanged."""

import os
import shutil
import unittest
import urllib.request

from door import ACCESS_KEY_ID, DOOR, KEYS, SECRET_ACCESS_KEY, Door
from lake import ROOT, Lake, topology

# Debian's: another `aws` may come first on PATH.
AWS = "/usr/bin/aws"
FILES = {"a.txt": b"hello\n", "empty": b"", "b c+d%e.bin": b"odd", "ü/日本.txt": b"unicode", "d/e/f/g.csv": b"id\n1\n", "d/two words.txt": b"2"}


class ClientCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config=DOOR, env=KEYS)
        cls.lake.__enter__()
        cls.door = Door(cls.lake)
        cls.source = cls.lake.path("source")
        cls.files = {**FILES, "large.bin": os.urandom((17 << 20) + 3)}
        for name, data in cls.files.items():
            os.makedirs(os.path.dirname(os.path.join(cls.source, name)), exist_ok=True)
            with open(os.path.join(cls.source, name), "wb") as f:
                f.write(data)

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def make_bucket(self, name):
        answer = self.door.request("PUT", "/" + name, b"")
        self.assertEqual(answer.status, 200, answer)
        return name

    def assert_tree(self, folder, files=None):
        found = {}
        for at, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(at, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, folder)] = f.read()
        self.assertEqual(found, files or self.files)

    def keys(self, bucket, prefix=""):
        s3 = self.door.boto()
        return [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix) for o in page.get("Contents", [])]

    # ---- aws-cli ----

    def aws(self, *args, **more):
        return self.door.run(AWS, "--endpoint-url", self.door.url, *args, **more)

    @unittest.skipIf(topology() == "apart", "each call of it takes a second or two; boto3 is the same code, and runs in both shapes")
    def test_aws_cli(self):
        self.aws("s3", "mb", "s3://aws-cli")
        self.aws("s3", "sync", "--no-progress", "--metadata", "from=cli", self.source, "s3://aws-cli/tree")
        self.assertEqual(self.keys("aws-cli"), sorted("tree/" + k for k in self.files))
        again = self.aws("s3", "sync", "--no-progress", self.source, "s3://aws-cli/tree")
        self.assertEqual(again.stdout, "")
        listing = self.aws("s3", "ls", "s3://aws-cli/tree/").stdout
        self.assertIn("PRE d/", listing)
        self.assertIn("b c+d%e.bin", listing)
        self.aws("s3", "mv", "--no-progress", "s3://aws-cli/tree/large.bin", "s3://aws-cli/moved/large.bin")
        self.aws("s3", "sync", "--no-progress", "s3://aws-cli/tree", self.lake.path("aws-back"))
        self.assert_tree(self.lake.path("aws-back"), {k: v for k, v in self.files.items() if k != "large.bin"})
        moved = self.door.boto().get_object(Bucket="aws-cli", Key="moved/large.bin")
        self.assertEqual((moved["Body"].read(), moved["Metadata"]), (self.files["large.bin"], {"from": "cli"}))
        address = self.aws("s3", "presign", "--expires-in", "60", "s3://aws-cli/tree/ü/日本.txt").stdout.strip()
        with urllib.request.urlopen(address) as answer:
            self.assertEqual(answer.read(), b"unicode")
        wrong = self.aws("s3", "ls", ok=False, AWS_SECRET_ACCESS_KEY="wrong")
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("SignatureDoesNotMatch", wrong.stderr)
        self.aws("s3", "rb", "--force", "s3://aws-cli")
        self.assertEqual(self.door.request("HEAD", "/aws-cli").status, 404)

    # ---- s3cmd ----

    def s3cmd(self, *args, **more):
        path = self.lake.path("s3cfg")
        with open(path, "w") as f:
            f.write(f"[default]\naccess_key = {ACCESS_KEY_ID}\nsecret_key = {SECRET_ACCESS_KEY}\nhost_base = {self.door.host}\n"
                    f"host_bucket = {self.door.host}\nuse_https = False\nmultipart_chunk_size_mb = 5\n")
        return self.door.run("s3cmd", "-c", path, "--no-progress", *args, **more)

    def test_s3cmd(self):
        self.s3cmd("mb", "s3://s3cmd")
        self.assertIn("s3://s3cmd", self.s3cmd("ls").stdout)
        self.s3cmd("sync", self.source + "/", "s3://s3cmd/tree/")
        self.assertEqual(self.keys("s3cmd"), sorted("tree/" + k for k in self.files))
        again = self.s3cmd("sync", self.source + "/", "s3://s3cmd/tree/")
        self.assertNotIn("upload:", again.stdout)
        info = self.s3cmd("info", "s3://s3cmd/tree/a.txt").stdout
        self.assertIn("MIME type: text/plain", info)
        self.s3cmd("cp", "s3://s3cmd/tree/large.bin", "s3://s3cmd/copy.bin")
        self.s3cmd("mv", "s3://s3cmd/copy.bin", "s3://s3cmd/moved.bin")
        self.assertNotIn("copy.bin", self.keys("s3cmd"))
        self.s3cmd("get", "s3://s3cmd/moved.bin", self.lake.path("moved.bin"))
        with open(self.lake.path("moved.bin"), "rb") as f:
            self.assertEqual(f.read(), self.files["large.bin"])
        os.makedirs(self.lake.path("s3cmd-back"), exist_ok=True)
        self.s3cmd("sync", "s3://s3cmd/tree/", self.lake.path("s3cmd-back") + "/")
        self.assert_tree(self.lake.path("s3cmd-back"))
        self.s3cmd("del", "-r", "--force", "s3://s3cmd")
        self.s3cmd("rb", "s3://s3cmd")

    # ---- rclone ----

    def rclone(self, *args, **more):
        return self.door.run("rclone", "--config", "/dev/null", "--s3-provider", "Other", "--s3-access-key-id", ACCESS_KEY_ID,
                             "--s3-secret-access-key", SECRET_ACCESS_KEY, "--s3-endpoint", self.door.url, "--s3-region", "us-east-1",
                             "--s3-chunk-size", "5Mi", "--s3-upload-cutoff", "6Mi", *args, **more)

    def test_rclone(self):
        self.rclone("mkdir", ":s3:rclone")
        self.rclone("sync", self.source, ":s3:rclone/tree")
        self.assertIn("0 differences found", self.rclone("check", self.source, ":s3:rclone/tree").stderr)
        self.assertIn("0 differences found", self.rclone("check", "--download", self.source, ":s3:rclone/tree").stderr)
        # Times are metadata: nothing is sent twice, and a touched file is only told its new time.
        again = self.rclone("sync", "-v", self.source, ":s3:rclone/tree")
        self.assertNotIn("Copied", again.stderr)
        os.utime(os.path.join(self.source, "a.txt"), (1_000_000_000, 1_000_000_000))
        touched = self.rclone("sync", "-v", self.source, ":s3:rclone/tree")
        self.assertIn("Updated modification time", touched.stderr)
        self.assertIn("2001-09-09", self.rclone("lsl", ":s3:rclone/tree/a.txt").stdout)
        hashes = self.rclone("md5sum", ":s3:rclone/tree").stdout
        self.assertEqual(len([line for line in hashes.splitlines() if len(line.split()[0]) == 32]), len(self.files), hashes)
        self.rclone("copy", ":s3:rclone/tree", self.lake.path("rclone-back"))
        self.assert_tree(self.lake.path("rclone-back"))
        self.rclone("moveto", ":s3:rclone/tree/large.bin", ":s3:rclone/moved.bin")
        self.assertEqual(self.rclone("cat", "--offset", "100", "--count", "50", ":s3:rclone/moved.bin", text=False).stdout,
                         self.files["large.bin"][100:150])
        with open(os.path.join(self.source, "large.bin"), "rb") as f:
            self.assertEqual(f.read(), self.files["large.bin"])
        self.rclone("purge", ":s3:rclone")
        self.assertEqual(self.door.request("HEAD", "/rclone").status, 404)

    # ---- restic ----

    def restic(self, *args, **more):
        return self.door.run("restic", "--no-cache", *args, RESTIC_REPOSITORY=f"s3:{self.door.url}/restic", RESTIC_PASSWORD="of the repository", **more)

    def test_restic(self):
        self.restic("init")
        self.restic("backup", ".", cwd=self.source)
        with open(os.path.join(self.source, "a.txt"), "rb") as f:
            self.assertEqual(f.read(), FILES["a.txt"])
        self.restic("check", "--read-data")
        self.restic("restore", "latest", "--target", self.lake.path("restic-back"))
        self.assert_tree(self.lake.path("restic-back"))
        self.restic("forget", "latest", "--prune")
        self.restic("check")

    # ---- boto3's own transfers ----

    def test_boto3_transfers(self):
        from boto3.s3.transfer import TransferConfig
        s3, config = self.door.boto(), TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20, max_concurrency=4)
        self.make_bucket("boto3")
        s3.upload_file(os.path.join(self.source, "large.bin"), "boto3", "large", ExtraArgs={"Metadata": {"k": "v"}}, Config=config)
        s3.download_file("boto3", "large", self.lake.path("boto3-back"), Config=config)
        with open(self.lake.path("boto3-back"), "rb") as f:
            self.assertEqual(f.read(), self.files["large.bin"])
        s3.copy({"Bucket": "boto3", "Key": "large"}, "boto3", "copied", Config=config)
        self.assertEqual(s3.get_object(Bucket="boto3", Key="copied")["Body"].read(), self.files["large.bin"])

    # ---- the SDK for JavaScript ----

    def test_aws_sdk_for_javascript(self):
        done = self.door.run(shutil.which("node"), os.path.join(ROOT, "tests", "integration", "s3_sdk.mjs"), self.door.url, cwd=ROOT, ok=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("all promises kept", done.stdout)


if __name__ == "__main__":
    unittest.main()
