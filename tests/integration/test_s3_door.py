"""The S3 door: what the protocol promises, asked for by hand and through boto3."""

import base64
import hashlib
import os
import socket
import subprocess
import threading
import unittest
import urllib.parse
import urllib.request
import xml.etree.ElementTree
import zlib

from door import ACCESS_KEY_ID, DOOR, KEYS, SECRET_ACCESS_KEY, Door, Signer, error_of, quote
from lake import Lake, program, topology, wait_until

PART = 5 << 20


def md5(data):
    return hashlib.md5(data).hexdigest()


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class DoorCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config=DOOR, env=KEYS)
        cls.lake.__enter__()
        cls.door = Door(cls.lake)
        cls.s3 = cls.door.boto()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def fails(self, code, status, call, **arguments):
        from botocore.exceptions import ClientError
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        found = caught.exception.response
        self.assertEqual((found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]), (code, status), found)
        return found

    def put(self, key, data=b"x", **more):
        return self.s3.put_object(Bucket="primary", Key=key, Body=data, **more)

    def body(self, key, **more):
        return self.s3.get_object(Bucket="primary", Key=key, **more)["Body"].read()


class Signatures(DoorCase):
    def test_a_good_signature_is_let_in_and_nothing_else(self):
        self.assertEqual(self.door.request("GET", "/").status, 200)
        for what, expected, answer in (
                ("none", (403, "AccessDenied"), self.door.send("GET", "/")),
                ("another secret", (403, "SignatureDoesNotMatch"), self.door.request("GET", "/", signer=Signer(secret="wrong"))),
                ("another id", (403, "InvalidAccessKeyId"), self.door.request("GET", "/", signer=Signer(key_id="AKNOBODY"))),
                ("a slow clock", (403, "RequestTimeTooSkewed"), self.door.request("GET", "/", signer=Signer(clock_offset_s=-1000))),
                ("a fast clock", (403, "RequestTimeTooSkewed"), self.door.request("GET", "/", signer=Signer(clock_offset_s=1000))),
                ("garbage", (400, "AuthorizationHeaderMalformed"),
                 self.door.send("GET", "/", headers={"Authorization": "AWS4-HMAC-SHA256 nonsense"})),
                ("a token", (400, "InvalidToken"), self.door.request("GET", "/", headers={"x-amz-security-token": "t"}))):
            with self.subTest(what):
                self.assertEqual(error_of(answer), expected)
        self.assertEqual(self.door.request("GET", "/", signer=Signer(clock_offset_s=-800)).status, 200)

    def test_what_was_not_signed_cannot_be_added_or_changed(self):
        self.put("signed/key", b"1")
        headers, _ = self.door.signed("PUT", "/primary/signed/key", {"x-amz-meta-a": "1"}, hashlib.sha256(b"2").hexdigest(), Signer())
        for change in ({"x-amz-meta-a": "2"}, {"x-amz-meta-b": "1"}, {"x-amz-acl": "private"}, {"Host": "other"}):
            with self.subTest(change):
                self.assertEqual(self.door.send("PUT", "/primary/signed/key", b"2", {**headers, **change}).status, 403)
        self.assertEqual(self.door.send("PUT", "/primary/signed/other", b"2", headers).status, 403)
        self.assertEqual(self.door.send("DELETE", "/primary/signed/key", None, headers).status, 403)
        self.assertEqual(error_of(self.door.send("PUT", "/primary/signed/key", b"3", headers)), (400, "XAmzContentSHA256Mismatch"))
        self.assertEqual(self.body("signed/key"), b"1")

    def test_signed_addresses_work_until_they_expire(self):
        put = self.door.presign("PUT", "/primary/presigned%20%C3%BC%2B")
        self.assertEqual(self.door.send("PUT", put, b"by address").status, 200)
        get = self.door.presign("GET", "/primary/presigned%20%C3%BC%2B?response-content-type=text%2Fx-own&response-content-disposition=attachment")
        answer = self.door.send("GET", get)
        self.assertEqual((answer.status, answer.body, answer.headers["content-type"], answer.headers["content-disposition"]),
                         (200, b"by address", "text/x-own", "attachment"))
        self.assertEqual(self.door.send("PUT", get, b"x").status, 403)
        late = self.door.presign("GET", "/primary/presigned%20%C3%BC%2B", expires_s=10, signer=Signer(clock_offset_s=-20))
        self.assertEqual(error_of(self.door.send("GET", late)), (403, "AccessDenied"))
        long = self.door.presign("GET", "/primary/presigned%20%C3%BC%2B", expires_s=700000)
        self.assertEqual(error_of(self.door.send("GET", long))[0], 400)

    def test_no_output_holds_the_secret(self):
        self.door.request("GET", "/", signer=Signer(secret="wrong"))
        texts = [self.lake.logs()] + [self.lake.get(path).text for path in ("/v1/status", "/metrics", "/v1/errors", "/v1/journal")]
        for text in texts:
            self.assertNotIn(SECRET_ACCESS_KEY, text)


class Bodies(DoorCase):
    SIGNED, SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    def test_bodies_in_chunks_lose_their_framing(self):
        chunks = [os.urandom(70000), os.urandom(65536), b"tail"]
        data = b"".join(chunks)
        trailers = {"x-amz-checksum-crc32": crc32(data),
                    "x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(data).digest()).decode(),
                    "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(data).digest()).decode()}
        forms = [(self.SIGNED, None)] + [(word, trailer) for word in (self.SIGNED_TRAILER, self.UNSIGNED_TRAILER)
                                         for trailer in trailers.items()]
        for word, trailer in forms:
            with self.subTest(word, trailer=trailer):
                answer = self.door.chunked("/primary/chunked", chunks, word, trailer, {"x-amz-meta-form": "chunks"})
                self.assertEqual((answer.status, answer.headers.get("etag")), (200, f'"{md5(data)}"'), answer)
                got = self.door.request("GET", "/primary/chunked")
                self.assertEqual((got.body, got.headers["x-amz-meta-form"], got.headers.get("content-encoding")), (data, "chunks", None))
        empty = self.door.chunked("/primary/chunked-empty", [])
        self.assertEqual((empty.status, self.body("chunked-empty")), (200, b""))

    def test_spoilt_chunks_are_refused_and_leave_nothing(self):
        data = b"0123456789" * 1000
        good = ("x-amz-checksum-crc32", crc32(data))
        flip = lambda body: body.replace(b"0123456789", b"0123456780", 1)
        for what, expected, arguments in (
                ("a changed byte", (403, "SignatureDoesNotMatch"), dict(word=self.SIGNED, spoil=flip)),
                ("a wrong checksum", (400, "BadDigest"), dict(word=self.SIGNED_TRAILER, trailer=("x-amz-checksum-crc32", "AAAAAA=="))),
                ("a changed byte under a checksum", (400, "BadDigest"), dict(word=self.UNSIGNED_TRAILER, trailer=good, spoil=flip)),
                ("a changed trailer", (403, "SignatureDoesNotMatch"),
                 dict(word=self.SIGNED_TRAILER, trailer=good, spoil=lambda b: b.replace(good[1].encode(), b"AAAAAA=="))),
                ("no last chunk", (400, "IncompleteBody"), dict(word=self.SIGNED, spoil=lambda b: b[:b.rindex(b"0;chunk")])),
                ("another length", (400, "IncompleteBody"), dict(word=self.SIGNED, length=9999)),
                ("no framing", (400, "InvalidRequest"), dict(word=self.SIGNED, spoil=lambda b: b"zz" + b)),
                ("no trailer", (400, "BadDigest"),
                 dict(word=self.UNSIGNED_TRAILER, trailer=good, spoil=lambda b: b.replace(b"x-amz-checksum-crc32:" + good[1].encode() + b"\r\n", b"")))):
            with self.subTest(what):
                self.assertEqual(error_of(self.door.chunked("/primary/spoilt", [data], **arguments)), expected)
                self.assertEqual(self.door.request("HEAD", "/primary/spoilt").status, 404)

    def test_promised_checksums_are_checked(self):
        data = b"some bytes"
        good = {"Content-MD5": base64.b64encode(hashlib.md5(data).digest()).decode(), "x-amz-checksum-crc32": crc32(data)}
        answer = self.door.request("PUT", "/primary/sums", data, good)
        self.assertEqual((answer.status, answer.headers["x-amz-checksum-crc32"]), (200, crc32(data)))
        for headers, code in (({"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "BadDigest"), ({"Content-MD5": "nonsense"}, "InvalidDigest"),
                              ({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"), ({"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, "BadDigest")):
            with self.subTest(headers):
                self.assertEqual(error_of(self.door.request("PUT", "/primary/sums", b"other", headers)), (400, code))
        self.assertEqual(self.body("sums"), data)
        unsigned = self.door.request("PUT", "/primary/sums", b"as it is", payload="UNSIGNED-PAYLOAD")
        self.assertEqual((unsigned.status, self.body("sums")), (200, b"as it is"))
        got = self.door.request("GET", "/primary/sums", headers={"x-amz-checksum-mode": "ENABLED"})
        self.assertEqual(got.headers["x-amz-checksum-sha256"], base64.b64encode(hashlib.sha256(b"as it is").digest()).decode())


class Objects(DoorCase):
    def test_bytes_type_and_metadata_come_back(self):
        data = os.urandom(300_000)
        answer = self.put("o/b.bin", data, ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                          Metadata={"mtime": "1.5", "author": "Jo"}, CacheControl="max-age=1", ContentDisposition="inline; filename=x",
                          ContentLanguage="de", ContentEncoding="identity", StorageClass="STANDARD_IA")
        self.assertEqual(answer["ETag"], f'"{md5(data)}"')
        head = self.s3.head_object(Bucket="primary", Key="o/b.bin")
        self.assertEqual((head["ContentLength"], head["Metadata"], head["CacheControl"], head["ContentDisposition"], head["ContentLanguage"]),
                         (300_000, {"mtime": "1.5", "author": "Jo"}, "max-age=1", "inline; filename=x", "de"))
        self.assertTrue(head["ContentType"].endswith("wordprocessingml.document"))
        self.assertEqual(self.body("o/b.bin"), data)
        other = self.lake.get("/v1/storage/buckets/primary/objects/o/b.bin")
        self.assertEqual((other.status, other.body), (200, data))
        self.put("o/empty", b"")
        self.assertEqual((self.body("o/empty"), self.s3.head_object(Bucket="primary", Key="o/empty")["ETag"]), (b"", f'"{md5(b"")}"'))

    def test_too_much_metadata_is_refused(self):
        self.put("meta/most", Metadata={"k": "v" * 2047})
        self.assertEqual(self.s3.head_object(Bucket="primary", Key="meta/most")["Metadata"]["k"], "v" * 2047)
        self.fails("MetadataTooLarge", 400, self.put, key="meta/more", Metadata={"k": "v" * 2048})

    def test_objects_of_the_other_door_are_seen(self):
        etag = self.lake.request("PUT", "/v1/storage/buckets/primary/objects/other/door", b"bytes").headers["etag"]
        got = self.s3.get_object(Bucket="primary", Key="other/door")
        self.assertEqual((got["Body"].read(), got["ETag"]), (b"bytes", etag))
        self.assertIn("-", etag)

    def test_ranges(self):
        data = bytes(range(256)) * 1000
        self.put("range.bin", data)
        for header, want in (("bytes=0-9", data[:10]), ("bytes=255990-", data[255990:]), ("bytes=-5", data[-5:]), ("bytes=0-999999", data)):
            got = self.s3.get_object(Bucket="primary", Key="range.bin", Range=header)
            self.assertEqual((got["ResponseMetadata"]["HTTPStatusCode"], got["Body"].read()), (206, want), header)
        self.assertEqual(self.s3.head_object(Bucket="primary", Key="range.bin", Range="bytes=0-9")["ContentLength"], 10)
        self.fails("InvalidRange", 416, self.s3.get_object, Bucket="primary", Key="range.bin", Range="bytes=256000-")

    def test_conditions_of_reads(self):
        etag = self.put("cond/read", b"1")["ETag"]
        for arguments, status in ((dict(IfMatch=etag), 200), (dict(IfMatch='"0"'), 412), (dict(IfNoneMatch=etag), 304),
                                  (dict(IfNoneMatch='"0"'), 200), (dict(IfModifiedSince="Sat, 01 Jan 2000 00:00:00 GMT"), 200),
                                  (dict(IfUnmodifiedSince="Sat, 01 Jan 2000 00:00:00 GMT"), 412)):
            with self.subTest(arguments):
                headers = {{"IfMatch": "If-Match", "IfNoneMatch": "If-None-Match", "IfModifiedSince": "If-Modified-Since",
                            "IfUnmodifiedSince": "If-Unmodified-Since"}[k]: v for k, v in arguments.items()}
                answer = self.door.request("GET", "/primary/cond/read", headers=headers)
                self.assertEqual((answer.status, answer.headers.get("etag") if status != 412 else etag), (status, etag))

    def test_conditions_of_writes(self):
        write = lambda data, **h: self.door.request("PUT", "/primary/cond/write", data, {k.replace("_", "-"): v for k, v in h.items()})
        self.assertEqual(error_of(write(b"0", If_Match='"x"')), (404, "NoSuchKey"))
        first = write(b"1", If_None_Match="*")
        self.assertEqual(first.status, 200)
        self.assertEqual(error_of(write(b"2", If_None_Match="*")), (412, "PreconditionFailed"))
        self.assertEqual(error_of(write(b"2", If_Match='"nope"')), (412, "PreconditionFailed"))
        self.assertEqual(error_of(write(b"2", If_None_Match='"nope"')), (501, "NotImplemented"))
        self.assertEqual(write(b"2", If_Match=first.headers["etag"]).status, 200)
        self.assertEqual(write(b"3", If_Match=md5(b"2")).status, 200)
        self.assertEqual(error_of(self.door.request("DELETE", "/primary/cond/write", headers={"If-Match": first.headers["etag"]})),
                         (412, "PreconditionFailed"))
        self.assertEqual(self.body("cond/write"), b"3")
        self.assertEqual(self.door.request("DELETE", "/primary/cond/write", headers={"If-Match": f'"{md5(b"3")}"'}).status, 204)

    def test_one_of_many_creators_wins(self):
        outcomes = []
        def create(i):
            outcomes.append(self.door.request("PUT", "/primary/race", b"%d" % i, {"If-None-Match": "*"}).status)
        threads = [threading.Thread(target=create, args=(i,)) for i in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(outcomes), [200] + [412] * 11)

    def test_deletes(self):
        self.put("gone/1")
        for _ in range(2):
            self.assertEqual(self.door.request("DELETE", "/primary/gone/1").status, 204)
        self.fails("NoSuchKey", 404, self.s3.get_object, Bucket="primary", Key="gone/1")

    def test_many_at_once_each_for_itself(self):
        keys = [f"batch/{i} ü&<>+%" for i in range(30)]
        for key in keys:
            self.put(key)
        answer = self.s3.delete_objects(Bucket="primary", Delete={"Objects": [{"Key": k} for k in keys + ["batch/absent", "_data/x", "a//b"]]})
        self.assertEqual(sorted(d["Key"] for d in answer["Deleted"]), sorted(keys + ["batch/absent"]))
        self.assertEqual({e["Key"]: e["Code"] for e in answer["Errors"]}, {"_data/x": "AccessDenied", "a//b": "InvalidArgument"})
        self.assertEqual(self.s3.list_objects_v2(Bucket="primary", Prefix="batch/")["KeyCount"], 0)
        quiet = self.s3.delete_objects(Bucket="primary", Delete={"Objects": [{"Key": "batch/absent"}], "Quiet": True})
        self.assertNotIn("Deleted", quiet)
        self.assertEqual(error_of(self.door.request("POST", "/primary?delete", b"<Delete>" + b" " * (9 << 20))), (400, "EntityTooLarge"))
        for xml in (b"<Delete><Object></Object></Delete>", b"<Other/>", b"<Delete>", b"<!DOCTYPE x><Delete/>"):
            self.assertEqual(error_of(self.door.request("POST", "/primary?delete", xml)), (400, "MalformedXML"))

    def test_copies(self):
        data = os.urandom(400_000)
        self.put("copy/from ü+", data, Metadata={"a": "1"}, ContentType="text/x-a")
        source = {"Bucket": "primary", "Key": "copy/from ü+"}
        copied = self.s3.copy_object(Bucket="primary", Key="copy/to", CopySource=source)["CopyObjectResult"]
        head = self.s3.head_object(Bucket="primary", Key="copy/to")
        self.assertEqual((copied["ETag"], head["ETag"], head["Metadata"], head["ContentType"]),
                         (f'"{md5(data)}"', f'"{md5(data)}"', {"a": "1"}, "text/x-a"))
        self.assertEqual(self.body("copy/to"), data)
        self.s3.copy_object(Bucket="primary", Key="copy/to", CopySource={"Bucket": "primary", "Key": "copy/to"},
                            MetadataDirective="REPLACE", Metadata={"b": "2"}, ContentType="text/x-b")
        head = self.s3.head_object(Bucket="primary", Key="copy/to")
        self.assertEqual((head["Metadata"], head["ContentType"], self.body("copy/to")), ({"b": "2"}, "text/x-b", data))
        self.fails("InvalidRequest", 400, self.s3.copy_object, Bucket="primary", Key="copy/to", CopySource={"Bucket": "primary", "Key": "copy/to"})
        self.fails("NoSuchKey", 404, self.s3.copy_object, Bucket="primary", Key="copy/to", CopySource={"Bucket": "primary", "Key": "copy/none"})
        self.fails("PreconditionFailed", 412, self.s3.copy_object, Bucket="primary", Key="copy/to", CopySource=source, CopySourceIfMatch="x")
        self.fails("AccessDenied", 403, self.s3.copy_object, Bucket="primary", Key="_data/x", CopySource=source)

    def test_odd_keys_are_kept_exactly(self):
        keys = ["odd/ü ö/日本", "odd/a b+c%2F%25", "odd/&<>'\"", "odd/~!@$^*()[]{}|;:,", "odd/dots...", "odd/.hidden", "odd/" + "k" * 1000]
        for key in keys:
            self.put(key, key.encode())
        self.assertEqual({k: self.body(k) for k in keys}, {k: k.encode() for k in keys})
        for more in ({}, {"EncodingType": "url"}):
            listed = [o["Key"] for o in self.s3.list_objects_v2(Bucket="primary", Prefix="odd/", **more)["Contents"]]
            self.assertEqual(sorted(map(urllib.parse.unquote, listed) if more else listed), sorted(keys))

    def test_keys_that_break_the_rules_are_refused(self):
        for key, expected in (("a//b", "InvalidArgument"), ("a/../b", "InvalidArgument"), ("a/./b", "InvalidArgument"), ("dir/", "InvalidArgument"),
                              ("a%0Ab", "InvalidArgument"), ("a%01b", "InvalidArgument"), ("a%FFb", "InvalidArgument"),
                              ("x" * 1025, "KeyTooLongError"), ("a%00b", "InvalidURI")):
            with self.subTest(key[:20]):
                self.assertEqual(error_of(self.door.request("PUT", "/primary/" + key, b"x")), (400, expected))
        self.put("prefix/of", b"1")
        self.assertEqual(error_of(self.door.request("PUT", "/primary/prefix/of/another", b"x")), (409, "InvalidRequest"))

    def test_prefixes_of_services_can_only_be_read(self):
        self.lake.ingest("people", b"id,name\n1,Ann\n")
        keys = [o["Key"] for o in self.s3.list_objects_v2(Bucket="primary", Prefix="_data/")["Contents"]]
        self.assertTrue(self.body(keys[0]).startswith(b"PAR1"))
        for method, target in (("PUT", keys[0]), ("DELETE", keys[0]), ("PUT", "_anything/x"), ("PUT", "_s3/uploads/x"), ("POST", keys[0] + "?uploads=")):
            with self.subTest(method, target=target):
                self.assertEqual(error_of(self.door.request(method, "/primary/" + target, b"" if method != "DELETE" else None)), (403, "AccessDenied"))
        self.assertEqual(self.lake.value("SELECT name FROM people"), "Ann")

    def test_what_is_not_built_says_so(self):
        self.put("unbuilt")
        for method, target, headers in (("PUT", "/primary/unbuilt?tagging", {}), ("PUT", "/primary?versioning", {}), ("GET", "/primary?versions", {}),
                                        ("POST", "/primary/unbuilt?restore", {}), ("GET", "/primary/unbuilt?attributes", {}),
                                        ("PUT", "/primary/unbuilt", {"x-amz-server-side-encryption": "AES256"}),
                                        ("PUT", "/primary/unbuilt", {"x-amz-acl": "public-read"}), ("PUT", "/primary/unbuilt", {"x-amz-tagging": "a=b"})):
            with self.subTest(method, target=target, headers=headers):
                self.assertEqual(error_of(self.door.request(method, target, b"" if method != "GET" else None, headers)), (501, "NotImplemented"))
        self.assertEqual(error_of(self.door.request("GET", "/primary/unbuilt?versionId=3")), (404, "NoSuchVersion"))
        self.assertEqual(error_of(self.door.request("OPTIONS", "/primary/unbuilt"))[0], 405)


class Buckets(DoorCase):
    def test_buckets_come_and_go(self):
        self.s3.create_bucket(Bucket="made-here")
        self.fails("BucketAlreadyOwnedByYou", 409, self.s3.create_bucket, Bucket="made-here")
        self.fails("InvalidBucketName", 400, self.door.boto(parameter_validation=False).create_bucket, Bucket="XY")
        self.assertIn("made-here", [b["Name"] for b in self.s3.list_buckets()["Buckets"]])
        self.assertIn("made-here", [b["name"] for b in self.lake.get("/v1/storage/buckets").json["buckets"]])
        self.s3.head_bucket(Bucket="made-here")
        self.s3.put_object(Bucket="made-here", Key="k", Body=b"1")
        self.fails("BucketNotEmpty", 409, self.s3.delete_bucket, Bucket="made-here")
        self.s3.delete_object(Bucket="made-here", Key="k")
        self.s3.create_multipart_upload(Bucket="made-here", Key="unfinished")
        # Of `primary` and of what configuration names nothing can be removed; this one goes, its unfinished upload with it.
        self.s3.delete_bucket(Bucket="made-here")
        self.s3.create_bucket(Bucket="made-here")
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket="made-here"))
        self.s3.delete_bucket(Bucket="made-here")
        self.fails("NoSuchBucket", 404, self.s3.list_objects_v2, Bucket="made-here")
        self.fails("NoSuchBucket", 404, self.s3.put_object, Bucket="made-here", Key="k", Body=b"1")
        self.fails("404", 404, self.s3.head_bucket, Bucket="made-here")
        self.assertEqual(self.door.request("DELETE", "/primary").status // 100, 4)

    def test_settings_that_were_never_made(self):
        self.assertIsNone(self.s3.get_bucket_location(Bucket="primary")["LocationConstraint"])
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket="primary"))
        self.assertEqual(self.s3.get_bucket_acl(Bucket="primary")["Grants"][0]["Permission"], "FULL_CONTROL")
        for call, code in ((self.s3.get_bucket_policy, "NoSuchBucketPolicy"), (self.s3.get_bucket_cors, "NoSuchCORSConfiguration"),
                           (self.s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"), (self.s3.get_bucket_tagging, "NoSuchTagSet"),
                           (self.s3.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError")):
            self.fails(code, 404, call, Bucket="primary")

    def pages(self, call, paginator, **more):
        keys, prefixes = [], []
        for page in self.s3.get_paginator(paginator).paginate(Bucket="lists", **more):
            keys += [o["Key"] for o in page.get("Contents", [])]
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        return keys, prefixes

    def test_lists_page_and_roll_up(self):
        self.s3.create_bucket(Bucket="lists")
        keys = sorted([f"dir{i}/sub{k}/o" for i in range(4) for k in range(7)] + [f"dir{i}.txt" for i in range(4)] + ["a", "z/z", "dir", "dir1-x", "ü/1"])
        for key in keys:
            self.s3.put_object(Bucket="lists", Key=key, Body=b"")
        for paginator in ("list_objects", "list_objects_v2"):
            for size in (1, 3, 1000):
                for prefix, delimiter in (("", ""), ("", "/"), ("dir", ""), ("dir", "/"), ("dir1/", "/"), ("dir1/sub", "/"), ("none", "/"), ("", "r")):
                    with self.subTest(paginator, size=size, prefix=prefix, delimiter=delimiter):
                        want = [k for k in keys if k.startswith(prefix)]
                        up = lambda k: delimiter and delimiter in k[len(prefix):]
                        rolled = sorted({k[:k.index(delimiter, len(prefix)) + 1] for k in want if up(k)})
                        found = self.pages(None, paginator, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": size})
                        self.assertEqual(found, ([k for k in want if not up(k)], rolled))
        after = self.s3.list_objects_v2(Bucket="lists", StartAfter="dir3/", MaxKeys=2)
        self.assertEqual([o["Key"] for o in after["Contents"]], [k for k in keys if k > "dir3/"][:2])
        self.assertTrue(after["IsTruncated"])
        none = self.s3.list_objects_v2(Bucket="lists", MaxKeys=0)
        self.assertEqual((none["KeyCount"], none["IsTruncated"]), (0, False))
        owner = self.s3.list_objects_v2(Bucket="lists", MaxKeys=1, FetchOwner=True)["Contents"][0]
        self.assertEqual((owner["Owner"]["ID"], owner["ETag"], owner["Size"]), ("lakehouse", f'"{md5(b"")}"', 0))
        self.assertEqual(error_of(self.door.request("GET", "/lists?list-type=2&continuation-token=xx")), (400, "InvalidArgument"))
        self.assertEqual(error_of(self.door.request("GET", "/lists?max-keys=-1")), (400, "InvalidArgument"))


class Multipart(DoorCase):
    def begin(self, key, **more):
        return self.s3.create_multipart_upload(Bucket="primary", Key=key, **more)["UploadId"]

    def part(self, key, upload, number, data):
        etag = self.s3.upload_part(Bucket="primary", Key=key, UploadId=upload, PartNumber=number, Body=data)["ETag"]
        self.assertEqual(etag, f'"{md5(data)}"')
        return {"PartNumber": number, "ETag": etag}

    def complete(self, key, upload, parts):
        return self.s3.complete_multipart_upload(Bucket="primary", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})

    def complete_by_hand(self, key, upload, parts, **headers):
        xml = "".join(f"<Part><PartNumber>{p['PartNumber']}</PartNumber><ETag>{p['ETag']}</ETag></Part>" for p in parts)
        return self.door.request("POST", f"/primary/{key}?uploadId={upload}", f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>".encode(),
                                 {k.replace("_", "-"): v for k, v in headers.items()})

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.data = [os.urandom(PART), os.urandom(PART), b"the end"]

    def test_parts_become_one_object(self):
        key, data = "mp/whole ü", self.data
        upload = self.begin(key, Metadata={"a": "1"}, ContentType="text/x-parts")
        self.part(key, upload, 9, b"sent again")
        parts = [self.part(key, upload, n, d) for n, d in zip((2, 5, 9), data)]
        listed = self.s3.list_parts(Bucket="primary", Key=key, UploadId=upload, MaxParts=2)
        self.assertEqual(([p["PartNumber"] for p in listed["Parts"]], listed["IsTruncated"], listed["Parts"][0]["Size"]), ([2, 5], True, PART))
        rest = self.s3.list_parts(Bucket="primary", Key=key, UploadId=upload, PartNumberMarker=5)
        self.assertEqual([p["ETag"] for p in rest["Parts"]], [parts[2]["ETag"]])
        self.assertIn((key, upload), [(u["Key"], u["UploadId"]) for u in self.s3.list_multipart_uploads(Bucket="primary")["Uploads"]])
        etag = f'"{md5(b"".join(hashlib.md5(d).digest() for d in data))}-3"'
        self.assertEqual(self.complete(key, upload, parts)["ETag"], etag)
        head = self.s3.head_object(Bucket="primary", Key=key)
        self.assertEqual((head["ETag"], head["Metadata"], head["ContentType"], head["ContentLength"]),
                         (etag, {"a": "1"}, "text/x-parts", 2 * PART + 7))
        self.assertEqual(self.body(key), b"".join(data))
        # The answer was lost: whoever asks again is told the same.
        self.assertEqual(self.complete(key, upload, parts)["ETag"], etag)
        self.fails("NoSuchUpload", 404, self.complete, key=key, upload=upload, parts=parts[:2])
        self.fails("NoSuchUpload", 404, self.s3.list_parts, Bucket="primary", Key=key, UploadId=upload)
        self.assertNotIn("_s3/", str(self.s3.list_objects_v2(Bucket="primary")))
        found = [o["key"] for o in self.lake.get("/v1/storage/buckets/primary/objects?prefix=_s3/").json["objects"]]
        self.assertEqual([k for k in found if upload in k], [])

    def test_parts_may_be_copies(self):
        self.put("mp/source", self.data[0] + self.data[2])
        upload = self.begin("mp/copied")
        copy = lambda n, a, z: {"PartNumber": n, "ETag": self.s3.upload_part_copy(
            Bucket="primary", Key="mp/copied", UploadId=upload, PartNumber=n, CopySource="primary/mp/source",
            CopySourceRange=f"bytes={a}-{z}")["CopyPartResult"]["ETag"]}
        parts = [copy(1, 0, PART - 1), copy(2, PART, PART + 6)]
        self.fails("InvalidArgument", 400, copy, n=3, a=0, z=PART + 7)
        self.complete("mp/copied", upload, parts)
        self.assertEqual(self.body("mp/copied"), self.data[0] + self.data[2])

    def test_conditions_hold_when_it_is_completed(self):
        upload, other = self.begin("mp/cond"), self.begin("mp/cond")
        parts, others = [self.part("mp/cond", upload, 1, b"first")], [self.part("mp/cond", other, 1, b"second")]
        done = self.complete_by_hand("mp/cond", upload, parts, If_None_Match="*")
        self.assertEqual(done.status, 200, done)
        self.assertEqual(error_of(self.complete_by_hand("mp/cond", other, others, If_None_Match="*")), (412, "PreconditionFailed"))
        again = self.complete_by_hand("mp/cond", upload, parts, If_None_Match="*")
        self.assertEqual((again.status, again.body), (200, done.body))
        etag = self.s3.head_object(Bucket="primary", Key="mp/cond")["ETag"]
        self.assertEqual(self.complete_by_hand("mp/cond", other, others, If_Match=etag).status, 200)
        self.assertEqual(self.body("mp/cond"), b"second")

    def test_what_does_not_fit_is_refused(self):
        upload = self.begin("mp/bad")
        small, last = self.part("mp/bad", upload, 1, b"small"), self.part("mp/bad", upload, 2, b"last")
        self.fails("EntityTooSmall", 400, self.complete, key="mp/bad", upload=upload, parts=[small, last])
        self.fails("InvalidPartOrder", 400, self.complete, key="mp/bad", upload=upload, parts=[last, small])
        self.fails("InvalidPart", 400, self.complete, key="mp/bad", upload=upload, parts=[{**small, "ETag": last["ETag"]}])
        self.fails("InvalidPart", 400, self.complete, key="mp/bad", upload=upload, parts=[{**small, "PartNumber": 7}])
        self.assertEqual(error_of(self.complete_by_hand("mp/bad", upload, [])), (400, "MalformedXML"))
        self.assertEqual(error_of(self.complete_by_hand("mp/bad", upload, [last], x_amz_checksum_crc32="AAAAAA==")), (400, "BadDigest"))
        for number in (0, 10001, "x"):
            self.assertEqual(error_of(self.door.request("PUT", f"/primary/mp/bad?partNumber={number}&uploadId={upload}", b"x")), (400, "InvalidArgument"))
        for strange in ("nonsense", "..%2F..", "00000000-0000-7000-8000-000000000000"):
            self.assertEqual(error_of(self.door.request("PUT", f"/primary/mp/bad?partNumber=1&uploadId={strange}", b"x")), (404, "NoSuchUpload"))
        self.assertEqual(error_of(self.door.request("PUT", f"/primary/mp/other?partNumber=1&uploadId={upload}", b"x")), (404, "NoSuchUpload"))
        self.s3.abort_multipart_upload(Bucket="primary", Key="mp/bad", UploadId=upload)
        self.fails("NoSuchUpload", 404, self.s3.abort_multipart_upload, Bucket="primary", Key="mp/bad", UploadId=upload)
        self.fails("NoSuchUpload", 404, self.complete, key="mp/bad", upload=upload, parts=[last])
        self.fails("NoSuchKey", 404, self.s3.get_object, Bucket="primary", Key="mp/bad")

    def test_many_complete_the_same_upload_at_once(self):
        upload = self.begin("mp/race")
        parts = [self.part("mp/race", upload, 1, self.data[0]), self.part("mp/race", upload, 2, b"tail")]
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.complete_by_hand("mp/race", upload, parts))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual([a.status for a in answers], [200] * 4, answers)
        self.assertEqual(len({a.body for a in answers}), 1)
        self.assertEqual(self.body("mp/race"), self.data[0] + b"tail")


class Witnesses(DoorCase):
    def test_mutations_are_told_to_the_journal_and_reads_are_not(self):
        count = lambda: len([e for e in self.lake.get("/v1/journal?limit=1000").json["events"] if str(e["entity_id"]).startswith("primary/told/")])
        self.put("told/a")
        self.put("told/b")
        self.body("told/a")
        self.s3.delete_objects(Bucket="primary", Delete={"Objects": [{"Key": "told/a"}, {"Key": "told/b"}]})
        self.s3.list_objects_v2(Bucket="primary", Prefix="told/")
        upload = self.s3.create_multipart_upload(Bucket="primary", Key="told/c")["UploadId"]
        part = self.s3.upload_part(Bucket="primary", Key="told/c", UploadId=upload, PartNumber=1, Body=b"1")
        self.s3.complete_multipart_upload(Bucket="primary", Key="told/c", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        self.assertEqual(wait_until(lambda: count() >= 5 and count(), what="five events"), 5)
        event = [e for e in self.lake.get("/v1/journal?limit=1000").json["events"] if e["entity_id"] == "primary/told/a" and e["action"] == "object.put"][0]
        self.assertEqual(event["actor"], "s3:" + ACCESS_KEY_ID)

    def test_damage_is_told_to_the_journal_of_failures(self):
        self.put("damaged", b"0" * 100_000)
        with open(self.lake.bucket_path("damaged"), "r+b") as f:
            f.seek(50_000)
            f.write(b"1")
        self.assertEqual(error_of(self.door.request("GET", "/primary/damaged")), (500, "InternalError"))
        rows = wait_until(lambda: [e for e in self.lake.get("/v1/errors").json["errors"] if e["code"] == "store.checksum"], what="the failure")
        self.assertEqual((rows[0]["object"], rows[0]["bucket"]), ("damaged", "primary"))
        self.put("damaged", b"whole")
        self.assertEqual(self.body("damaged"), b"whole")

    def test_requests_are_counted_and_logged_without_their_query(self):
        self.door.send("GET", self.door.presign("GET", "/primary/counted"))
        metrics = self.lake.get("/metrics").text if "storaged" not in self.lake.processes else \
            urllib.request.urlopen(self.lake.processes["storaged"].url + "/metrics").read().decode()
        self.assertRegex(metrics, r'lakehouse_http_requests_total\{server="s3",route="/\{path...\}",method="GET",status="404"\} [1-9]')
        logs = self.lake.logs()
        self.assertIn('"path":"/primary/counted"', logs)
        self.assertNotIn("X-Amz-Signature", logs)


class Limits(unittest.TestCase):
    def test_a_rate_is_held(self):
        with Lake(config=DOOR + "requests_per_second = 1\nburst = 3\n", env=KEYS) as lake:
            door = Door(lake)
            statuses = [door.request("GET", "/").status for _ in range(8)]
            self.assertIn(200, statuses)
            self.assertIn(503, statuses)
            refused = [a for a in (door.request("GET", "/") for _ in range(5)) if a.status == 503][0]
            self.assertEqual(error_of(refused), (503, "SlowDown"))
            self.assertEqual(refused.headers["retry-after"], "1")

    def test_a_limit_of_the_store_is_held(self):
        with Lake(config=DOOR + '[[store.limit]]\nprefix = "small/"\nsize_max = 8\n', env=KEYS) as lake:
            door = Door(lake)
            self.assertEqual(door.request("PUT", "/primary/small/fits", b"12345678").status, 200)
            self.assertEqual(error_of(door.request("PUT", "/primary/small/more", b"123456789")), (400, "EntityTooLarge"))
            self.assertEqual(error_of(door.chunked("/primary/small/more", [b"12345", b"6789"])), (400, "EntityTooLarge"))
            self.assertEqual(door.request("HEAD", "/primary/small/more").status, 404)

    def test_a_failure_within_a_batch_is_told_to_the_journal(self):
        with Lake(config=DOOR, env=KEYS, faults="store.delete.before_unlink=error@1") as lake:
            door = Door(lake)
            for key in ("batch/1", "batch/2"):
                door.request("PUT", "/primary/" + key, b"1")
            answer = door.request("POST", "/primary?delete", b"<Delete><Object><Key>batch/1</Key></Object><Object><Key>batch/2</Key></Object></Delete>")
            self.assertEqual((answer.status, answer.text.count("<Deleted>"), answer.text.count("<Code>InternalError</Code>")), (200, 1, 1), answer)
            wait_until(lambda: [e for e in lake.get("/v1/errors").json["errors"] if e["code"] == "fault.injected"], what="the failure")

    def test_buckets_may_stand_in_the_host_name_and_the_region_be_fixed(self):
        with Lake(config=DOOR + 'domain = "s3.lake.test"\nregion = "eu-lake-1"\n', env=KEYS) as lake:
            door = Door(lake)
            signer = Signer(region="eu-lake-1")
            put = door.request("PUT", "/by/host", b"1", {"Host": "primary.s3.lake.test:1"}, signer)
            self.assertEqual(put.status, 200, put)
            for host, target in (("primary.s3.lake.test", "/by/host"), ("s3.lake.test", "/primary/by/host"), (door.host, "/primary/by/host")):
                self.assertEqual(door.request("GET", target, headers={"Host": host}, signer=signer).body, b"1")
            wrong = door.request("GET", "/primary/by/host")
            self.assertEqual(error_of(wrong), (400, "AuthorizationHeaderMalformed"))
            self.assertIn(b"<Region>eu-lake-1</Region>", wrong.body)

    def test_abandoned_uploads_are_collected(self):
        with Lake(config=DOOR + 'upload_ttl = "1s"\nsweep_interval = "20ms"\n', env=KEYS) as lake:
            door = Door(lake)
            created = door.request("POST", "/primary/abandoned?uploads", b"")
            upload = created.text.split("<UploadId>")[1].split("<")[0]
            self.assertEqual(door.request("PUT", f"/primary/abandoned?partNumber=1&uploadId={upload}", b"part").status, 200)
            wait_until(lambda: door.request("GET", f"/primary/abandoned?uploadId={upload}").status == 404, what="the collection")
            wait_until(lambda: not lake.get("/v1/storage/buckets/primary/objects?prefix=_s3/").json["objects"], what="its parts")

    def test_many_requests_at_once_are_answered(self):
        with Lake(config=DOOR, env=KEYS) as lake:
            door = Door(lake)
            statuses = []
            def work(i):
                for k in range(10):
                    statuses.append(door.request("PUT", f"/primary/many/{i}/{k}", b"%d" % k).status)
            threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(set(statuses), {200})
            self.assertEqual(door.request("GET", "/primary?list-type=2&prefix=many/").text.count("<Key>"), 80)


class Crashes(unittest.TestCase):
    def upload(self, door, key, data):
        created = door.request("POST", f"/primary/{key}?uploads", b"", {"x-amz-meta-a": "1"})
        upload = created.text.split("<UploadId>")[1].split("<")[0]
        etags = [door.request("PUT", f"/primary/{key}?partNumber={n + 1}&uploadId={upload}", d).headers["etag"] for n, d in enumerate(data)]
        xml = "".join(f"<Part><PartNumber>{n + 1}</PartNumber><ETag>{e}</ETag></Part>" for n, e in enumerate(etags))
        return f"/primary/{key}?uploadId={upload}", f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>".encode()

    def test_an_upload_survives_and_completing_it_again_gives_the_same(self):
        data = [os.urandom(PART), b"tail"]
        lake = Lake(config=DOOR, env=KEYS)
        try:
            door = Door(lake.start())
            target, xml = self.upload(door, "crash", data)
            lake.kill()
            for point in ("s3.complete.before_commit", "store.put.after_rename@1", "s3.complete.after_commit", "s3.complete.after_event"):
                with self.subTest(point):
                    name, _, nth = point.partition("@")
                    door = Door(lake.start(faults=f"{name}=kill" if not nth else f"{name}=kill@1"))
                    with self.assertRaises((ConnectionError, OSError, Exception)):
                        door.request("POST", target, xml, {"If-None-Match": "*"})
                        raise AssertionError("the process should have been killed")
                    lake.kill()
            door = Door(lake.start())
            done = door.request("POST", target, xml, {"If-None-Match": "*"})
            self.assertEqual(done.status, 200, done)
            self.assertEqual(door.request("POST", target, xml, {"If-None-Match": "*"}).body, done.body)
            got = door.request("GET", "/primary/crash")
            self.assertEqual((got.body, got.headers["x-amz-meta-a"]), (b"".join(data), "1"))
            self.assertEqual(lake.get("/v1/storage/buckets/primary/objects?prefix=_s3/").json["objects"], [])
            events = [e for e in lake.get("/v1/journal?limit=1000").json["events"] if e["entity_id"] == "primary/crash"]
            self.assertTrue(events)
        finally:
            lake.kill()
            lake.remove()


class LakeOnLake(unittest.TestCase):
    """Two lakes whose only storage is a bucket behind the door of a third."""

    def test_lakes_share_a_bucket_behind_the_door(self):
        secrets = {k.replace("S3_DOOR", "BEHIND"): v for k, v in KEYS.items()}
        with Lake(config=DOOR + 'foreign_buckets = ["theirs"]\n', env=KEYS) as host:
            door = Door(host)
            self.assertEqual(door.request("PUT", "/theirs", b"").status, 200)
            config = ('[[bucket]]\nname = "primary"\nbackend = "s3"\nregion = "us-east-1"\nbucket = "theirs"\npath_style = true\n'
                      f'credentials = "BEHIND"\nendpoint = "{door.url}"\n')
            with Lake(config=config, env=secrets) as one, Lake(config=config, env=secrets) as other:
                proven = one.get("/v1/storage/health").json["buckets"][0]["capabilities"]
                self.assertTrue(all(proven.values()), proven)
                one.ingest("people", b"id,name\n1,Ann\n2,Bob\n")
                wait_until(lambda: other.get("/v1/catalog/datasets/people").status == 200, what="the other lake")
                self.assertEqual(other.rows("SELECT name FROM people ORDER BY id"), [["Ann"], ["Bob"]])
                other.ingest("people", b"id,name\n3,Cy\n", mode="append")
                wait_until(lambda: one.value("SELECT count(*) FROM people") == 3, what="the appended row")
                one.ingest("people", b"id,name\n4,Di\n", mode="append")
                self.assertEqual(one.value("SELECT count(*) FROM people"), 4)
            # Only there: what is the host's own stays closed, and so do the door's uploads.
            self.assertEqual(error_of(door.request("PUT", "/primary/_catalog/x", b"x")), (403, "AccessDenied"))
            self.assertEqual(error_of(door.request("PUT", "/theirs/_s3/x", b"x")), (403, "AccessDenied"))


class Patience(unittest.TestCase):
    """Putting parts together may take longer than a client waits for a first byte."""

    def complete(self, faults, parts):
        lake = Lake(config=DOOR + 'keepalive = "20ms"\n', env=KEYS, faults=faults)
        with lake:
            door = Door(lake)
            created = door.request("POST", "/primary/patience?uploads", b"")
            upload = created.text.split("<UploadId>")[1].split("<")[0]
            etags = [door.request("PUT", f"/primary/patience?partNumber={n + 1}&uploadId={upload}", d).headers["etag"] for n, d in enumerate(parts)]
            listed = "".join(f"<Part><PartNumber>{n + 1}</PartNumber><ETag>{e}</ETag></Part>" for n, e in enumerate(etags))
            answer = door.request("POST", f"/primary/patience?uploadId={upload}", f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode())
            return answer, door.request("GET", "/primary/patience"), lake.get("/v1/errors").json["errors"]

    def test_a_blank_is_sent_meanwhile(self):
        parts = [os.urandom(PART), b"tail"]
        answer, got, _ = self.complete("s3.complete.part=delay:60", parts)
        self.assertEqual((answer.status, answer.headers.get("transfer-encoding"), got.body), (200, "chunked", b"".join(parts)))
        root = xml.etree.ElementTree.fromstring(answer.body)
        self.assertTrue(root.tag.endswith("CompleteMultipartUploadResult"))
        self.assertIn(b"?>\n <Complete", answer.body)

    def test_a_late_failure_stands_in_the_body_and_in_the_journal(self):
        answer, got, errors = self.complete("s3.complete.part=delay:60;s3.complete.before_commit=error", [os.urandom(PART), b"tail"])
        self.assertEqual((answer.status, xml.etree.ElementTree.fromstring(answer.body).find("Code").text), (200, "InternalError"))
        self.assertEqual(got.status, 404)
        self.assertTrue([e for e in errors if e["code"] == "fault.injected"], errors)


class Starting(unittest.TestCase):
    def start(self, *arguments, env=None):
        lake = Lake()
        try:
            name = "lakehouse" if topology() == "one" else "storaged"
            verb = ["serve"] if name == "lakehouse" else []
            full = {k: v for k, v in os.environ.items() if not k.startswith("LAKEHOUSE_")}
            return subprocess.run([program(name), *verb, "--data", lake.data, "--listen", "127.0.0.1:0", *arguments], env={**full, **(env or {})},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        finally:
            lake.remove()

    def test_without_keys_it_does_not_open_and_says_why(self):
        for env in ({}, {k: v for k, v in KEYS.items() if "SECRET_ACCESS" not in k}, {**KEYS, "LAKEHOUSE_SECRET_S3_DOOR_SECRET_ACCESS_KEY": "short"}):
            done = self.start("--s3-listen", "127.0.0.1:0", env=env)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("s3.no_keys", done.stderr)
            self.assertNotIn("short", done.stderr)

    def test_an_address_in_use_does_not_start(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = self.start("--s3-listen", "127.0.0.1:%d" % taken.getsockname()[1], env=KEYS)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("server.bind", done.stderr)

    def test_another_daemon_has_no_such_door(self):
        done = subprocess.run([program("catalogd"), "--s3-listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual((done.returncode, "serve.s3_listen" in done.stderr), (2, True), done)


if __name__ == "__main__":
    unittest.main()
