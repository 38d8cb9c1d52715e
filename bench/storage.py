"""Rows of `make bench` about objects: our S3 door and the local bucket beside nginx and Ceph's RADOS Gateway.

Every side is asked with the same client over loopback: presigned URLs (Signature Version 4, unsigned payload), so that signing costs
the client nothing and the servers the same. Ceph keeps its objects in memory and writes no disk; ours are synced to disk before a
PUT is answered.
"""

import hashlib
import hmac
import http.client
import os
import statistics
import subprocess
import time
import urllib.parse

BIG = 256 << 20
SMALL = 4096
SMALL_RUNS = 400
ACCESS, SECRET = "benchdoor", "benchdoor-secret-0123456789abcdef"


def presign(endpoint, access, secret, method, path, region="us-east-1", seconds=3600):
    """A URL for one request, by "Authenticating Requests: Using Query Parameters" of the S3 documentation."""
    host = urllib.parse.urlsplit(endpoint).netloc
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    query = "&".join(f"{k}={urllib.parse.quote(str(v), safe='')}" for k, v in sorted({
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{access}/{scope}", "X-Amz-Date": now,
        "X-Amz-Expires": seconds, "X-Amz-SignedHeaders": "host"}.items()))
    request = "\n".join([method, path, query, f"host:{host}\n", "host", "UNSIGNED-PAYLOAD"])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in (now[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return f"{endpoint}{path}?{query}&X-Amz-Signature={hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


class Side:
    """One server that speaks S3."""

    def __init__(self, name, endpoint, access, secret, bucket):
        self.name, self.endpoint, self.access, self.secret, self.bucket = name, endpoint, access, secret, bucket

    def url(self, method, key):
        return presign(self.endpoint, self.access, self.secret, method, f"/{self.bucket}/{key}")

    def target(self, method, key):
        return self.url(method, key)[len(self.endpoint):]


def put_file(url, path):
    """Seconds that curl takes to upload a file."""
    text = subprocess.run(["curl", "-sS", "--fail", "-T", path, "-H", "Expect:", "-o", "/dev/null", "-w", "%{time_total}", url],
                          check=True, stdout=subprocess.PIPE).stdout
    return float(text)


def put_small(side, body, runs):
    """Seconds of each PUT on one connection, each to a key of its own."""
    host, port = urllib.parse.urlsplit(side.endpoint).netloc.split(":")
    connection = http.client.HTTPConnection(host, int(port))
    seconds = []
    targets = [side.target("PUT", f"small/{i}") for i in range(runs)]
    for target in targets:
        begin = time.perf_counter()
        connection.request("PUT", target, body)
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - begin)
        assert answer.status == 200, answer.status
    connection.close()
    return seconds


class Sides:
    """Our door, and Ceph when it is installed; as a context."""

    def __init__(self, bench):
        self.bench = bench

    def __enter__(self):
        import ceph
        port = self.bench.lake_module.free_ports(1)[0]
        env = {"LAKEHOUSE_LOG_LEVEL": "error", "LAKEHOUSE_SECRET_S3_DOOR_ACCESS_KEY_ID": ACCESS,
               "LAKEHOUSE_SECRET_S3_DOOR_SECRET_ACCESS_KEY": SECRET, "LAKEHOUSE_S3_DOOR_LISTEN": f"127.0.0.1:{port}"}
        self.lake = self.bench.lake_module.Lake(kind="one", env=env)
        self.lake.__enter__()
        self.ceph = ceph.Ceph()
        try:
            self.ceph.start()
        except BaseException:
            self.lake.__exit__(None, None, None)
            raise
        self.ceph.bucket("bench")
        self.ours = Side("S3 door", f"http://127.0.0.1:{port}", ACCESS, SECRET, "primary")
        self.peer = Side("Ceph RGW", self.ceph.endpoint, self.ceph.access_key_id, self.ceph.secret_access_key, "bench")
        return self

    def __exit__(self, *args):
        self.ceph.stop()
        self.lake.__exit__(*args)


def speed(seconds):
    return f"{BIG / 1e9 / seconds:.2f} GB/s"


def big_objects(bench, sides, www, nginx_url):
    path = os.path.join(www, "big.bin")
    with open(path, "wb") as f:
        for _ in range(BIG >> 20):
            f.write(os.urandom(1 << 20))
    put = {sides.ours.name: [], sides.peer.name: []}
    get = {sides.ours.name: [], sides.peer.name: [], "nginx": []}
    for i in range(bench.rounds + 1):
        for side in (sides.ours, sides.peer):
            seconds = put_file(side.url("PUT", "big.bin"), path)
            if i > 0:
                put[side.name].append(seconds)
        for name, url, target in ((sides.ours.name, sides.ours.endpoint, sides.ours.target("GET", "big.bin")),
                                  (sides.peer.name, sides.peer.endpoint, sides.peer.target("GET", "big.bin")),
                                  ("nginx", nginx_url, "/big.bin")):
            seconds, size = bench.http(url, 1, "GET", target)
            assert size == BIG
            if i > 0:
                get[name].append(seconds[0])
    median = {name: statistics.median(v) for name, v in get.items()}
    ours = median[sides.ours.name]
    bench.report("GET of a 256 MiB object through the S3 door", speed(ours),
                 f"nginx {speed(median['nginx'])}, Ceph RGW {speed(median[sides.peer.name])}",
                 f"{median['nginx'] / ours:.0%} of nginx, {median[sides.peer.name] / ours:.1f}× Ceph", "≥ 80 % of nginx",
                 median["nginx"] / ours >= 0.8)
    a, b = (statistics.median(put[s.name]) for s in (sides.ours, sides.peer))
    bench.report("PUT of a 256 MiB object through the S3 door, synced", speed(a), f"Ceph RGW, in memory {speed(b)}", f"{b / a:.1f}×", "—",
                 True)


def small_objects(bench, sides):
    body = os.urandom(SMALL)
    put = {sides.ours.name: [], sides.peer.name: []}
    get = {sides.ours.name: [], sides.peer.name: []}
    for i in range(bench.rounds + 1):
        for side in (sides.ours, sides.peer):
            p = put_small(side, body, SMALL_RUNS // 4)
            g, size = bench.http(side.endpoint, SMALL_RUNS, "GET", side.target("GET", "small/0"))
            assert size == SMALL
            if i > 0:
                put[side.name].append(statistics.median(p))
                get[side.name].append(statistics.median(g))
    for verb, values in (("GET", get), ("PUT, synced", put)):
        a, b = (statistics.median(values[s.name]) * 1e3 for s in (sides.ours, sides.peer))
        bench.report(f"{verb} of a 4 KiB object through the S3 door", f"{a:.2f} ms", f"Ceph RGW {b:.2f} ms", f"{b / a:.1f}×", "—", True)


def rows(bench):
    www = os.path.join(bench.folder, "storage-www")
    os.makedirs(www, exist_ok=True)
    with open(os.path.join(www, "ok.json"), "w") as f:
        f.write("{}")
    nginx_url, process = bench.nginx(www)
    try:
        with Sides(bench) as sides:
            small_objects(bench, sides)
            big_objects(bench, sides, www, nginx_url)
    finally:
        process.terminate()
        process.wait()
