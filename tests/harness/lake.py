"""A lake under test: the real programs, in one process or one each, on free ports and in a folder of its own.

    with Lake() as lake:                       # topology from LAKEHOUSE_TOPOLOGY: "one" (default) or "apart"
        lake.ingest("people", b"id,name\\n1,Ann\\n")
        assert lake.rows("SELECT name FROM people") == [["Ann"]]

Nothing here sleeps for a fixed time: starting waits for the line `listening on`, everything else for a condition.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("LAKEHOUSE_BUILD", os.path.join(ROOT, "build-test"))
DAEMONS = ["journald", "storaged", "catalogd", "ingestd", "queryd", "vectord", "gateway"]
# Sanitizer builds are slow to start on a busy machine; this only bounds a hang.
START_TIMEOUT_S = 60


def topology():
    return os.environ.get("LAKEHOUSE_TOPOLOGY", "one")


def program(name):
    return os.path.join(BUILD, "bin", name)


def wait_until(condition, timeout=30.0, what="the condition"):
    """Polls until condition() is truthy and returns that value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"gave up waiting for {what}")
        time.sleep(0.01)


class Answer:
    """Status, headers (lower-case names) and body of one HTTP answer."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8")

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Process:
    """One program that prints `listening on URL` when it is ready."""

    def __init__(self, args, env, log_path):
        self.args = args
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen(args, env=env, stdout=subprocess.PIPE, stderr=log)
        self.url = None

    def wait_listening(self):
        line = []
        reader = threading.Thread(target=lambda: line.append(self.popen.stdout.readline()), daemon=True)
        reader.start()
        reader.join(START_TIMEOUT_S)
        text = line[0].decode() if line else ""
        match = re.fullmatch(r"listening on (http://\S+)\n", text)
        if not match:
            self.kill()
            raise AssertionError(f"{self.args[0]} did not start: {text!r}\n{self.log_tail()}")
        self.url = match.group(1)

    def log_tail(self, size=4000):
        with open(self.log_path, "rb") as log:
            return log.read()[-size:].decode(errors="replace")

    def is_running(self):
        return self.popen.poll() is None

    def terminate(self, timeout=60):
        if self.is_running():
            self.popen.send_signal(signal.SIGTERM)
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.args[0]} did not stop\n{self.log_tail()}")
        self.popen.stdout.close()
        return code

    def kill(self):
        if self.is_running():
            self.popen.kill()
        self.popen.wait()
        self.popen.stdout.close()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Lake:
    def __init__(self, config="", env=None, data=None, kind=None, faults=None, keep=False):
        self.kind = kind or topology()
        self.folder = tempfile.mkdtemp(prefix="lakehouse-test-")
        self.data = data or os.path.join(self.folder, "data")
        self.config = config
        self.env = dict(env or {})
        self.faults = faults
        self.keep = keep
        self.processes = {}
        self.url = None
        self._local = threading.local()
        self._connections = []

    # ---- life ----

    def __enter__(self):
        return self.start()

    def __exit__(self, exc_type, exc, tb):
        try:
            codes = self.stop()
            if exc_type is None:
                assert all(code == 0 for code in codes.values()), f"exit codes {codes}\n{self.logs()}"
            else:
                print(self.logs()[-6000:])
        finally:
            self.remove()

    def _environment(self, faults):
        env = {k: v for k, v in os.environ.items() if not k.startswith("LAKEHOUSE_")}
        env["LAKEHOUSE_LOG"] = "json"
        env["ASAN_OPTIONS"] = "detect_container_overflow=0:abort_on_error=1:" + os.environ.get("ASAN_OPTIONS", "")
        env["LSAN_OPTIONS"] = "suppressions=" + os.path.join(ROOT, "tests", "lsan.supp")
        env["TSAN_OPTIONS"] = "suppressions=" + os.path.join(ROOT, "tests", "tsan.supp") + ":" + os.environ.get("TSAN_OPTIONS", "")
        if faults:
            env["LAKEHOUSE_FAULTS"] = faults
        env.update(self.env)
        return env

    def start(self, faults=None):
        faults = faults or self.faults
        self.processes = {}
        if self.kind == "one":
            self._start_one(self._environment(faults))
        else:
            self._start_apart(self._environment(faults))
        return self

    def _start_one(self, env):
        path = os.path.join(self.folder, "lakehouse.toml")
        with open(path, "w") as f:
            f.write(self.config)
        args = [program("lakehouse"), "serve", "--config", path, "--data", self.data, "--listen", "127.0.0.1:0"]
        p = Process(args, env, os.path.join(self.folder, "lakehouse.log"))
        self.processes["lakehouse"] = p
        p.wait_listening()
        self.url = p.url

    def _start_apart(self, env):
        ports = dict(zip(DAEMONS, free_ports(len(DAEMONS))))
        path = os.path.join(self.folder, "lakehouse.toml")
        with open(path, "w") as f:
            f.write(self.config)
            f.write("\n[mesh]\n")
            for name in DAEMONS:
                if name != "gateway":
                    f.write(f'{name} = "http://127.0.0.1:{ports[name]}"\n')
        for name in DAEMONS:
            args = [program(name), "--config", path, "--data", self.data,
                    "--listen", f"127.0.0.1:{ports[name]}"]
            p = Process(args, env, os.path.join(self.folder, f"{name}.log"))
            self.processes[name] = p
        for name in DAEMONS:
            self.processes[name].wait_listening()
        self.url = self.processes["gateway"].url

    def stop(self):
        codes = {}
        for name in reversed(list(self.processes)):
            codes[name] = self.processes[name].terminate()
        self._forget_connections()
        self.processes = {}
        return codes

    def kill(self):
        """SIGKILL to everything at once."""
        for p in self.processes.values():
            if p.is_running():
                p.popen.kill()
        for p in self.processes.values():
            p.kill()
        self._forget_connections()
        self.processes = {}

    def _forget_connections(self):
        for connection in self._connections:
            connection.close()
        self._connections = []
        self._local = threading.local()

    def restart(self, faults=None):
        self.stop()
        return self.start(faults)

    def remove(self):
        for p in self.processes.values():
            p.kill()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self):
        texts = []
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".log"):
                with open(os.path.join(self.folder, name), errors="replace") as f:
                    texts.append(f"--- {name}\n{f.read()[-4000:]}")
        return "\n".join(texts)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def bucket_path(self, key):
        """Where the local primary bucket keeps an object."""
        return os.path.join(self.data, "primary", key)

    # ---- talking to it ----

    def connect(self, timeout=120):
        host = urllib.parse.urlparse(self.url)
        return http.client.HTTPConnection(host.hostname, host.port, timeout=timeout)

    def request(self, method, path, body=None, headers=None, timeout=120):
        """One request on this thread's kept-alive connection."""
        connection = getattr(self._local, "connection", None)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        for attempt in (0, 1):
            fresh = connection is None
            if fresh:
                connection = self.connect(timeout)
                self._connections.append(connection)
            try:
                connection.request(method, path, body=body, headers=headers)
                response = connection.getresponse()
                data = response.read()
                break
            except (ConnectionError, http.client.HTTPException, OSError):
                connection.close()
                connection = None
                self._local.connection = None
                # A kept-alive connection may have been closed by the server between two requests.
                if fresh or attempt == 1 or hasattr(body, "read"):
                    raise
        self._local.connection = connection if not response.will_close else None
        if response.will_close:
            connection.close()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, data)

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body, **kw)

    def ingest(self, dataset, data, headers=None, expect=(200, 201), **query):
        """Ingests bytes or an open file; returns the answer's JSON."""
        params = {"dataset": dataset}
        for key, value in query.items():
            params[key] = json.dumps(value) if isinstance(value, (dict, bool)) else value
        answer = self.post("/v1/ingest?" + urllib.parse.urlencode(params), data,
                           headers={"Content-Type": "application/octet-stream", **(headers or {})})
        assert answer.status in expect, answer
        return answer.json

    def run_job(self, accepted, state="succeeded"):
        """Waits for the job that an answer of 202 began; returns it."""
        assert accepted.status == 202, accepted
        path = "/v1/jobs/" + accepted.json["job_id"]

        def ended():
            job = self.get(path).json
            return job if job["state"] in ("succeeded", "failed", "canceled") else None
        job = wait_until(ended, timeout=120, what="the job")
        assert job["state"] == state, job
        return job

    def tombstone(self, dataset, column, values, expect=(200, 201), **more):
        """Deletes rows by key; returns the answer's JSON."""
        body = {"key_column": column, "values": values, "actor": "privacy@example.org", "reason": "asked to be forgotten"}
        answer = self.post(f"/v1/catalog/datasets/{dataset}/tombstone", {**body, **more})
        assert answer.status in expect, answer
        return answer.json

    def sql(self, sql, expect=200, **body):
        answer = self.post("/v1/sql", {"sql": sql, **body})
        assert answer.status == expect, answer
        return answer.json

    def rows(self, sql, **body):
        return self.sql(sql, **body)["rows"]

    def value(self, sql, **body):
        return self.rows(sql, **body)[0][0]
