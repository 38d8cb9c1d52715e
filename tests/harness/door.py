"""The S3 door of a lake under test: its address and keys, signed requests by hand, and the public clients pointed at it.

    with Lake(config=DOOR, env=KEYS) as lake:
        door = Door(lake)
        door.request("PUT", "/primary/key", b"bytes")         # signed by the rules, without any library
        door.boto().get_object(Bucket="primary", Key="key")
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import urllib.parse
import urllib.request
import xml.etree.ElementTree

from lake import Answer

ACCESS_KEY_ID = "AKDOOROFTHELAKE"
SECRET_ACCESS_KEY = "canary/secret+of/the+door"
KEYS = {"LAKEHOUSE_SECRET_S3_DOOR_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "LAKEHOUSE_SECRET_S3_DOOR_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}
DOOR = '[s3_door]\nlisten = "127.0.0.1:0"\n'
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
EMPTY = hashlib.sha256(b"").hexdigest()


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quote(text, safe="-._~"):
    return urllib.parse.quote(text, safe=safe)


class Signer:
    """Signature V4, from its description; shares nothing with the code under test."""

    def __init__(self, key_id=ACCESS_KEY_ID, secret=SECRET_ACCESS_KEY, region="us-east-1", clock_offset_s=0):
        self.key_id, self.secret, self.region = key_id, secret, region
        now = datetime.datetime.utcnow() + datetime.timedelta(seconds=clock_offset_s)
        self.time = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{region}/s3/aws4_request"

    def key(self):
        key = hmac_sha256(b"AWS4" + self.secret.encode(), self.time[:8])
        for part in (self.region, "s3", "aws4_request"):
            key = hmac_sha256(key, part)
        return key

    def sign(self, *lines):
        return hmac_sha256(self.key(), "\n".join(lines)).hex()

    def request(self, method, path, query, headers, payload):
        names = sorted(n.lower() for n in headers)
        values = {n.lower(): " ".join(v.split()) for n, v in headers.items()}
        canonical = "\n".join([method, path, "&".join(sorted(f"{quote(k)}={quote(v)}" for k, v in query))]
                              + [f"{n}:{values[n]}" for n in names] + ["", ";".join(names), payload])
        return ";".join(names), self.sign("AWS4-HMAC-SHA256", self.time, self.scope,
                                          hashlib.sha256(canonical.encode()).hexdigest())

    def chunk(self, previous, data):
        return self.sign("AWS4-HMAC-SHA256-PAYLOAD", self.time, self.scope, previous, EMPTY,
                         hashlib.sha256(data).hexdigest())

    def trailer(self, previous, text):
        return self.sign("AWS4-HMAC-SHA256-TRAILER", self.time, self.scope, previous,
                         hashlib.sha256(text.encode()).hexdigest())


class Door:
    def __init__(self, lake):
        self.lake = lake
        self.url = self._find()
        self.host = self.url.removeprefix("http://")

    def _status(self):
        if "storaged" not in self.lake.processes:
            return self.lake.get("/v1/status").json
        with urllib.request.urlopen(self.lake.processes["storaged"].url + "/v1/status") as answer:
            return json.load(answer)

    def _find(self):
        storaged = [s for s in self._status()["services"] if s["name"] == "storaged"][0]
        return [d["url"] for d in storaged["doors"] if d["name"] == "s3"][0]

    # ---- by hand ----

    def send(self, method, target, body=None, headers=None):
        """As it is, unsigned."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": self.host, **(headers or {})}.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def signed(self, method, target, headers, payload, signer):
        """The header fields of a signed request, and its signature."""
        path, _, query = target.partition("?")
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        headers = {"Host": self.host, "x-amz-date": signer.time, "x-amz-content-sha256": payload, **(headers or {})}
        names, signature = signer.request(method, path, pairs, headers, payload)
        headers["Authorization"] = (f"AWS4-HMAC-SHA256 Credential={signer.key_id}/{signer.scope}, "
                                    f"SignedHeaders={names}, Signature={signature}")
        return headers, signature

    def request(self, method, target, body=None, headers=None, signer=None, payload=None):
        payload = payload or hashlib.sha256(body or b"").hexdigest()
        headers, _ = self.signed(method, target, headers, payload, signer or Signer())
        return self.send(method, target, body, headers)

    def presign(self, method, target, expires_s=60, signer=None, headers=None):
        signer = signer or Signer()
        path, _, query = target.partition("?")
        headers = {"Host": self.host, **(headers or {})}
        names = ";".join(sorted(n.lower() for n in headers))
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True) + [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{signer.key_id}/{signer.scope}"),
            ("X-Amz-Date", signer.time), ("X-Amz-Expires", str(expires_s)), ("X-Amz-SignedHeaders", names)]
        _, signature = signer.request(method, path, pairs, headers, "UNSIGNED-PAYLOAD")
        return path + "?" + "&".join(f"{quote(k)}={quote(v)}" for k, v in pairs) + "&X-Amz-Signature=" + signature

    def chunked(self, target, chunks, word="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", trailer=None, headers=None,
                spoil=lambda body: body, length=None):
        """PUT of `aws-chunked` bytes; `trailer` is (name, value)."""
        signer = Signer()
        is_signed = "UNSIGNED" not in word
        headers = {"Content-Encoding": "aws-chunked",
                   "x-amz-decoded-content-length": str(sum(map(len, chunks)) if length is None else length),
                   **(headers or {})}
        if trailer:
            headers["x-amz-trailer"] = trailer[0]
        headers, previous = self.signed("PUT", target, headers, word, signer)
        body = b""
        for data in list(chunks) + [b""]:
            extension = ""
            if is_signed:
                previous = signer.chunk(previous, data)
                extension = ";chunk-signature=" + previous
            body += f"{len(data):x}{extension}\r\n".encode() + data + (b"\r\n" if data else b"")
        if trailer:
            body += f"{trailer[0]}:{trailer[1]}\r\n".encode()
            if is_signed:
                body += f"x-amz-trailer-signature:{signer.trailer(previous, ':'.join(trailer) + chr(10))}\r\n".encode()
        return self.send("PUT", target, spoil(body + b"\r\n"), headers)

    # ---- the public clients ----

    def environment(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "RCLONE_", "RESTIC_"))}
        env.update(AWS_ACCESS_KEY_ID=ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY=SECRET_ACCESS_KEY, AWS_DEFAULT_REGION="us-east-1",
                   AWS_EC2_METADATA_DISABLED="true", HOME=self.lake.folder, NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
        env.update(more)
        return env

    def run(self, *args, ok=True, cwd=None, text=True, **env):
        done = subprocess.run(args, env=self.environment(**env), cwd=cwd or self.lake.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text, timeout=120)
        if ok and done.returncode != 0:
            raise AssertionError(f"{args} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
        return done

    def boto(self, key_id=ACCESS_KEY_ID, secret=SECRET_ACCESS_KEY, **more):
        import boto3
        from botocore.config import Config
        return boto3.session.Session(key_id, secret, region_name="us-east-1").client(
            "s3", endpoint_url=self.url, config=Config(retries={"max_attempts": 0}, **more))


def error_of(answer):
    """(status, Code) of an error document, after a look at its other members."""
    root = xml.etree.ElementTree.fromstring(answer.body)
    assert root.tag == "Error" and answer.headers["content-type"] == "application/xml", answer
    members = {child.tag: child.text for child in root}
    assert members["Message"] and members["Resource"] and members["RequestId"] == answer.headers["x-amz-request-id"], members
    return answer.status, members["Code"]
