#!/usr/bin/python3
"""Measures what docs/benchmarks.md reports, each figure beside its peer in the same run.

    bench/run.py --build build [--rounds 7] [--only NAME] [--write docs/benchmarks.md]

Peers and we take turns, so that a machine whose speed drifts treats both alike; the ratio is of the medians. A figure that
misses its aim is printed like any other.
"""

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "harness"))

WORKERS_SQL = "SELECT * FROM {t}"
POINT_SQL = "SELECT * FROM {t} WHERE worker_id = 'W0250000'"
AGGREGATE_SQL = "SELECT state, count(*), avg(hourly_rate) FROM {t} WHERE role = 'Welder' GROUP BY state ORDER BY state"
SMALL_SQL = "SELECT count(*) FROM {t}"


class Bench:
    def __init__(self, build, rounds):
        import lake
        lake.BUILD = build
        self.lake_module = lake
        self.build = build
        self.rounds = rounds
        self.folder = tempfile.mkdtemp(prefix="lakehouse-bench-")
        self.rows = []

    # ---- tools ----

    def program(self, *parts):
        return os.path.join(self.build, *parts)

    def output(self, *args, **kw):
        return subprocess.run([str(a) for a in args], check=True, stdout=subprocess.PIPE, **kw).stdout.decode()

    def lake(self, **kw):
        return self.lake_module.Lake(kind="one", env={"LAKEHOUSE_LOG_LEVEL": "error"}, **kw)

    def address(self, url):
        host, port = url[len("http://"):].split(":")
        return host, port

    def http(self, url, runs, method, path, accept="*/*", body=""):
        """Seconds of each run; the answers must be 200."""
        lines = self.output(self.program("bench", "bench_http"), *self.address(url), runs, method, path, accept, body)
        seconds, sizes = [], []
        for line in lines.splitlines():
            ns, status, size = line.split()
            assert status == "200", line
            seconds.append(int(ns) / 1e9)
            sizes.append(int(size))
        return seconds, sizes[-1]

    def duckdb(self, *args):
        return [int(line) / 1e9 for line in self.output(self.program("bench", "bench_duckdb"), *args).splitlines()]

    def nginx(self, root):
        """A running nginx that serves `root`; returns its URL and the process."""
        port = self.lake_module.free_ports(1)[0]
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w") as f:
            f.write(f"""user root; worker_processes auto; daemon off; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx.err;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;
  client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
  uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  server {{ listen 127.0.0.1:{port}; root {root}; }} }}""")
        process = subprocess.Popen(["/usr/sbin/nginx", "-c", conf, "-p", self.folder])
        url = f"http://127.0.0.1:{port}"
        def answers():
            try:
                self.http(url, 1, "GET", "/ok.json")
                return True
            except (subprocess.CalledProcessError, AssertionError):
                return False
        self.lake_module.wait_until(answers, what="nginx")
        return url, process

    def report(self, name, ours, peer, ratio, aim, met):
        verdict = "—" if aim == "—" else "yes" if met else "no"
        self.rows.append((name, ours, peer, ratio, aim, verdict))
        print(f"{name}: {ours}; {peer}; {ratio} (aim {aim}): {verdict}", flush=True)

    def staffing(self):
        folder = os.path.join(self.folder, "staffing")
        if not os.path.exists(folder):
            self.output(self.program("bin", "lakehouse"), "demo", "--scale", "1", "--out", folder)
        return os.path.join(folder, "workers.csv")

    # ---- the rows of the table ----

    def ingest(self):
        csv = self.staffing()
        size = os.path.getsize(csv)
        ours, peer = [], []
        with self.lake() as lake:
            for i in range(self.rounds + 1):
                parquet = os.path.join(self.folder, "peer.parquet")
                seconds = self.duckdb("copy", csv, parquet)[0]
                start = time.monotonic()
                with open(csv, "rb") as f:
                    body = lake.ingest(f"workers{i}", f, headers={"Content-Length": str(size)}, format="csv")
                assert lake.value(f"SELECT count(*) FROM workers{i}") == 500000 == body["rows"]
                if i > 0:
                    peer.append(seconds)
                    ours.append(time.monotonic() - start)
        a, b = statistics.median(ours), statistics.median(peer)
        self.report(f"CSV 500,000 × 14 ({size / 1e6:.0f} MB) to a queryable version", f"{a:.2f} s",
                    f"DuckDB COPY to zstd Parquet {b:.2f} s", f"{a / b:.2f}×", "≤ 1.25×", a / b <= 1.25)

    def queries(self):
        csv = self.staffing()
        with self.lake() as lake:
            with open(csv, "rb") as f:
                lake.ingest("workers", f, headers={"Content-Length": str(os.path.getsize(csv))}, format="csv")
            key = lake.get("/v1/catalog/datasets/workers").json["objects"][0]["key"]
            parquet = lake.bucket_path(key)
            for label, sql, runs in (("count", SMALL_SQL, 200), ("point lookup", POINT_SQL, 40), ("small aggregate", AGGREGATE_SQL, 40)):
                ours, peer = [], []
                for i in range(self.rounds + 1):
                    p = self.duckdb("query", parquet, runs, sql.format(t="t"))
                    body = '{"sql":"%s"}' % sql.format(t="workers").replace('"', '\\"')
                    o, _ = self.http(lake.url, runs, "POST", "/v1/sql", "application/json", body)
                    if i > 0:
                        peer.append(statistics.median(p))
                        ours.append(statistics.median(o))
                a, b = statistics.median(ours) * 1e3, statistics.median(peer) * 1e3
                limit = b * 1.05 + 1
                self.report(f"{label} over 500,000 workers through POST /v1/sql", f"{a:.2f} ms",
                            f"open DuckDB connection {b:.2f} ms", f"{a - b:+.2f} ms", "≤ +1 ms and 5 %", a <= limit)
            for label, accept in (("Arrow", "application/vnd.apache.arrow.stream"), ("CSV", "text/csv")):
                sql = "SELECT * FROM {t} UNION ALL SELECT * FROM {t}"
                ours, peer = [], []
                for i in range(self.rounds + 1):
                    p = self.duckdb("read", parquet, 1, sql.format(t="t"))[0]
                    o, size = self.http(lake.url, 1, "POST", "/v1/sql", accept,
                                        '{"sql":"%s"}' % sql.format(t="workers"))
                    if i > 0:
                        peer.append(p)
                        ours.append(o[0])
                a, b = statistics.median(ours), statistics.median(peer)
                self.report(f"1,000,000 rows × 14 out as {label} ({size / 1e6:.0f} MB)", f"{a:.2f} s",
                            f"DuckDB read in C {b:.2f} s", f"{b / a:.0%} of its speed", "≥ 70 %", b / a >= 0.7)

    def requests(self):
        root = os.path.join(self.folder, "www")
        os.makedirs(root, exist_ok=True)
        with open(os.path.join(root, "ok.json"), "w") as f:
            f.write('{"status":"ok","service":"gateway"}')
        url, process = self.nginx(root)
        ours, peer = [], []
        try:
            with self.lake() as lake:
                def wrk(target):
                    text = self.output("wrk", "-t1", "-c32", "-d2s", target)
                    return float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
                for i in range(self.rounds + 1):
                    p, o = wrk(url + "/ok.json"), wrk(lake.url + "/healthz")
                    if i > 0:
                        peer.append(p)
                        ours.append(o)
        finally:
            process.terminate()
            process.wait()
        a, b = statistics.median(ours), statistics.median(peer)
        self.report("requests per second on /healthz (wrk, 32 connections)", f"{a:,.0f}", f"nginx, static file {b:,.0f}",
                    f"{a / b:.0%}", "≥ 60 %", a / b >= 0.6)

    def object(self):
        root = os.path.join(self.folder, "www")
        os.makedirs(root, exist_ok=True)
        path = os.path.join(root, "big.bin")
        with open(os.path.join(root, "ok.json"), "w") as f:
            f.write("{}")
        if not os.path.exists(path):
            with open(path, "wb") as f:
                for _ in range(1024):
                    f.write(os.urandom(1 << 20))
        ours, peer = [], []
        url, process = self.nginx(root)
        try:
            with self.lake() as lake:
                with open(path, "rb") as f:
                    answer = lake.request("PUT", "/v1/storage/buckets/primary/objects/big.bin", f,
                                          headers={"Content-Length": str(1 << 30)})
                assert answer.status in (200, 201), answer
                for i in range(self.rounds + 1):
                    p, size = self.http(url, 1, "GET", "/big.bin")
                    o, same = self.http(lake.url, 1, "GET", "/v1/storage/buckets/primary/objects/big.bin")
                    assert size == same == 1 << 30
                    if i > 0:
                        peer.append(p[0])
                        ours.append(o[0])
        finally:
            process.terminate()
            process.wait()
        a, b = statistics.median(ours), statistics.median(peer)
        self.report("GET of a 1 GiB object from a local bucket", f"{1.0737 / a:.2f} GB/s", f"nginx {1.0737 / b:.2f} GB/s",
                    f"{b / a:.0%}", "≥ 80 %", b / a >= 0.8)

    def start(self):
        with self.lake() as lake:
            for i in range(100):
                lake.ingest(f"d{i:03d}", b"id,name\n%d,x\n" % i, format="csv")
            times, memory = [], []
            for i in range(self.rounds + 1):
                lake.stop()
                begin = time.monotonic()
                lake.start()
                assert lake.value("SELECT id FROM d057") == 57
                if i > 0:
                    times.append(time.monotonic() - begin)
            lake.stop()
            for i in range(3):
                lake.start()
                lake.get("/healthz")
                # Idle means that what starts in the background has come to rest.
                last = [0]
                def rests():
                    now = self.rss(lake)
                    still, last[0] = now == last[0], now
                    time.sleep(0.5)
                    return still
                self.lake_module.wait_until(rests, what="memory to rest")
                memory.append(self.rss(lake))
                lake.stop()
            lake.start()
        a = statistics.median(times) * 1e3
        self.report("start of `lakehouse serve` with 100 datasets to the first SQL answer", f"{a:.0f} ms", "—", "—", "≤ 300 ms", a <= 300)
        m = statistics.median(memory) / 2**20
        self.report("resident memory of the idle all-in-one, 100 datasets", f"{m:.0f} MiB", "—", "—", "≤ 80 MiB", m <= 80)

    def storage(self):
        import storage
        storage.rows(self)

    def vectors(self):
        import vector_http
        vector_http.rows(self)

    def remote(self):
        import remote
        remote.measure(self)

    def rss(self, lake):
        pid = lake.processes["lakehouse"].popen.pid
        with open(f"/proc/{pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) * 1024


def table(bench, rounds):
    cpu = "unknown"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    lines = ["| Work | Lakehouse | Measured against | Ratio | Aim | Met |", "|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row) + " |" for row in bench.rows]
    lines.append("")
    lines.append(f"{os.cpu_count()} cores ({cpu}), Linux {platform.release()}, medians of {rounds} runs after a warm-up, "
                 f"{time.strftime('%Y-%m-%d')}.")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", default="")
    options = parser.parse_args()
    bench = Bench(os.path.abspath(options.build), options.rounds)
    try:
        for name in ("ingest", "queries", "requests", "object", "start", "storage", "vectors", "remote"):
            if options.only in ("", name):
                getattr(bench, name)()
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    text = table(bench, options.rounds)
    print("\n" + text)
    if options.write:
        with open(options.write) as f:
            page = f.read()
        begin, end = "<!-- measured -->\n", "<!-- /measured -->\n"
        head, rest = page.split(begin, 1)
        tail = rest.split(end, 1)[1]
        with open(options.write, "w") as f:
            f.write(head + begin + "\n" + text + "\n\n" + end + tail)


if __name__ == "__main__":
    main()
