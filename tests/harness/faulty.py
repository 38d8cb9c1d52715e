"""A way to a store that cannot be trusted: an HTTP proxy that does each kind of harm with a given chance.

    with Faulty("http://127.0.0.1:9000", seed=7) as way:
        way.endpoint

Which harm comes to the n-th request follows from the seed and n alone, so a run with one client repeats itself. What can happen:

    drop         the connection is closed and the store hears nothing
    lose         the store does it, and its answer is thrown away
    late         as drop, but the store hears of it a while later; only where the request carries `If-None-Match`, since
                 no client of S3 can defend itself against a put without a condition that arrives when it is over
    delay        the request waits on the way
    twice        the store gets it twice and one of the answers comes back
    cut          the answer ends in the middle
    e500, e503   the store hears nothing and this is the answer
    done500      the store does it, and this is the answer
"""

import asyncio
import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import urllib.parse

KINDS = ["drop", "lose", "late", "delay", "twice", "cut", "e500", "e503", "done500"]

ERROR = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>by the proxy</Message></Error>'


class Gone(Exception):
    pass


class Message:
    """Head and body of a request or an answer."""

    def __init__(self, head, body):
        self.head = head
        self.body = body

    def field(self, name):
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name:
                return value.strip()
        return None

    @property
    def method(self):
        return self.head.split(b" ", 1)[0]

    @property
    def status(self):
        return int(self.head.split(b" ", 2)[1])


async def read_head(reader):
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        raise Gone from None


async def read_chunks(reader):
    parts = []
    while True:
        line = await reader.readline()
        size = int(line.split(b";")[0], 16)
        data = await reader.readexactly(size + 2)
        parts.append(line + data)
        if size == 0:
            return b"".join(parts)


async def read_message(reader, has_body=True):
    message = Message(await read_head(reader), b"")
    try:
        if not has_body:
            return message
        if (message.field(b"transfer-encoding") or b"").lower() == b"chunked":
            message.body = await read_chunks(reader)
        else:
            message.body = await reader.readexactly(int(message.field(b"content-length") or 0))
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        raise Gone from None
    return message


class Faulty:
    def __init__(self, upstream, seed=1, chance=0.02, kinds=KINDS, delay=0.05, limit=64 << 20):
        parts = urllib.parse.urlsplit(upstream)
        self.host, self.port = parts.hostname, parts.port
        self.seed, self.chance, self.kinds, self.delay, self.limit = seed, chance, list(kinds), delay, limit
        self.count = 0
        self.done = {}
        self.tasks = set()
        self.is_on = True

    # ---- life ----

    def __enter__(self):
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.thread.join()

    def _run(self, ready):
        asyncio.run(self._serve(ready))

    async def _serve(self, ready):
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0, limit=self.limit)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await self.stopping.wait()
        server.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    # ---- one connection ----

    async def _client(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (Gone, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(task)
            writer.close()

    def choose(self, request):
        """The harm for this request, or None."""
        self.count += 1
        digest = hashlib.sha256(f"{self.seed}/{self.count}".encode()).digest()
        draw = int.from_bytes(digest[:8], "big") / 2**64
        if not self.is_on or draw >= self.chance * len(self.kinds):
            return None
        kind = self.kinds[int(draw / self.chance)]
        if kind == "late" and not request.field(b"if-none-match"):
            kind = "drop"
        self.done[kind] = self.done.get(kind, 0) + 1
        return kind

    async def _exchange(self, reader, writer):
        request = await read_message(reader)
        kind = self.choose(request)
        if kind == "drop":
            return False
        if kind == "late":
            task = asyncio.ensure_future(self._later(request))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            return False
        if kind in ("e500", "e503"):
            return await self._refuse(writer, int(kind[1:]), request)
        if kind == "delay":
            await asyncio.sleep(self.delay)
        answer = await self._forward(request)
        if kind == "twice":
            second = await self._forward(request)
            answer = second if self.count % 2 else answer
        if kind == "lose":
            return False
        if kind == "done500":
            return await self._refuse(writer, 500, request)
        if kind == "cut":
            whole = answer.head + answer.body
            writer.write(whole[:len(answer.head) + len(answer.body) // 2] if answer.body else whole[:len(whole) // 2])
            await writer.drain()
            return False
        writer.write(answer.head + answer.body)
        await writer.drain()
        return (answer.field(b"connection") or b"").lower() != b"close"

    async def _later(self, request):
        await asyncio.sleep(self.delay)
        try:
            await self._forward(request)
        except (Gone, ConnectionError):
            pass

    async def _refuse(self, writer, status, request):
        code = b"InternalError" if status == 500 else b"SlowDown"
        body = ERROR % code
        head = b"HTTP/1.1 %d Refused\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        writer.write(head + (b"" if request.method == b"HEAD" else body))
        await writer.drain()
        return True

    async def _forward(self, request):
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=self.limit)
        try:
            writer.write(request.head + request.body)
            await writer.drain()
            answer = await read_message(reader, has_body=request.method != b"HEAD")
            if answer.status in (204, 304):
                answer.body = b""
            return answer
        finally:
            writer.close()


class Tls:
    """The store behind TLS, with a certificate for `localhost` that nobody knows yet: `certificate`, a PEM file."""

    def __init__(self, upstream):
        parts = urllib.parse.urlsplit(upstream)
        self.host, self.port = parts.hostname, parts.port

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="lakehouse-tls-")
        self.certificate = os.path.join(self.folder, "certificate.pem")
        self.key = os.path.join(self.folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", self.key, "-out", self.certificate],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self.thread.start()
        ready.wait()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.thread.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _serve(self, ready):
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        server = await asyncio.start_server(self._client, "127.0.0.1", 0, ssl=context)
        self.endpoint = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await self.stopping.wait()
        server.close()

    async def _client(self, reader, writer):
        upstream_reader, upstream_writer = await asyncio.open_connection(self.host, self.port)
        await asyncio.gather(self._copy(reader, upstream_writer), self._copy(upstream_reader, writer), return_exceptions=True)

    @staticmethod
    async def _copy(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
