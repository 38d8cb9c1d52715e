"""A little S3 server that takes conditions and does not hold to them. Believes every signature, keeps everything in memory.

    with LyingS3(ignores=("If-None-Match",)) as store:
        store.endpoint

`ignores` names the conditions that it answers as if they had been met. Without any it is honest. One bucket, whatever its
name; paths are /bucket/key.
"""

import hashlib
import http.server
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape


def error(code):
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    # ---- parts ----

    def key(self):
        path, _, query = self.path.partition("?")
        parts = urllib.parse.unquote(path).lstrip("/").split("/", 1)
        return (parts[1] if len(parts) > 1 else ""), dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", "") and \
                not self.headers.get("x-amz-content-sha256", "").startswith("STREAMING"):
            return data
        whole, rest = b"", data
        while rest:
            head, rest = rest.split(b"\r\n", 1)
            size = int(head.split(b";")[0], 16)
            if size == 0:
                break
            whole, rest = whole + rest[:size], rest[size + 2:]
        return whole

    def condition(self, name):
        return None if name in self.server.store.ignores else self.headers.get(name)

    # ---- methods ----

    def do_PUT(self):
        key, _ = self.key()
        data, store = self.body(), self.server.store
        if not key:
            return self.answer(200)
        meta = {k: v for k, v in self.headers.items() if k.lower().startswith("x-amz-meta-") or k.lower() == "content-type"}
        with store.lock:
            old = store.objects.get(key)
            match = self.condition("If-Match")
            if self.condition("If-None-Match") and old or match and (not old or match.strip('"') != old[1]):
                return self.answer(412, error("PreconditionFailed"))
            etag = hashlib.md5(data).hexdigest()
            store.objects[key] = (data, etag, meta, time.time())
        self.answer(200, headers={"ETag": f'"{etag}"'})

    def do_GET(self):
        key, query = self.key()
        if not key:
            return self.list(query)
        with self.server.store.lock:
            found = self.server.store.objects.get(key)
        if not found:
            return self.answer(404, error("NoSuchKey"))
        data, etag, meta, when = found
        match = self.headers.get("If-Match")
        if match and match.strip('"') not in (etag, "*"):
            return self.answer(412, error("PreconditionFailed"))
        headers = {**meta, "ETag": f'"{etag}"', "Last-Modified": self.date_time_string(int(when)), "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if wanted and data:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin = int(first)
            end = min(int(last) if last else len(data) - 1, len(data) - 1)
            headers["Content-Range"] = f"bytes {begin}-{end}/{len(data)}"
            return self.answer(206, data[begin:end + 1], headers)
        if self.command == "HEAD":
            headers["Content-Length"] = str(len(data))
        self.answer(200, data, headers)

    do_HEAD = do_GET

    def do_DELETE(self):
        key, _ = self.key()
        with self.server.store.lock:
            self.server.store.objects.pop(key, None)
        self.answer(204)

    def do_POST(self):
        self.body()
        self.answer(501, error("NotImplemented"))

    def list(self, query):
        if "uploads" in query:
            return self.answer(200, b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")
        after = query.get("continuation-token") or query.get("start-after", "")
        with self.server.store.lock:
            keys = sorted((k for k in self.server.store.objects if k.startswith(query.get("prefix", "")) and k > after),
                          key=lambda k: k.encode())
            page = keys[:int(query.get("max-keys", 1000))]
            items = [(k, *self.server.store.objects[k]) for k in page]
        more = len(keys) > len(page)
        text = "".join(f"<Contents><Key>{escape(urllib.parse.quote(k))}</Key>"
                       f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(when))}</LastModified>"
                       f"<ETag>&quot;{etag}&quot;</ETag><Size>{len(data)}</Size></Contents>" for k, data, etag, _, when in items)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        self.answer(200, (f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><EncodingType>url</EncodingType>'
                          f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>{text}{token}"
                          "</ListBucketResult>").encode(), {"Content-Type": "application/xml"})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class LyingS3:
    def __init__(self, ignores=()):
        self.ignores = ignores
        self.objects = {}
        self.lock = threading.Lock()

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.store = self
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
