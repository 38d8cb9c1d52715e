"""Rows of the table about buckets of another machine: a query over lake:// on Ceph RGW against the same query on a local file.

run.py calls measure(bench). One dataset of 40 columns is taken in twice, into the local primary and into the bucket of a Ceph RGW that
runs in memory on this machine; three columns are asked for. Cold: nothing cached, in a fresh process that has answered a question about the local twin. Warm:
asked before. What the columns need is read from the footer by parquet_metadata.
"""

import os
import shutil
import statistics

COLUMNS = 40
ROWS = 1_000_000
SQL = "SELECT sum(i), max(c9), min(c30) FROM {t}"
NEEDED = "SELECT sum(total_compressed_size)::UBIGINT FROM parquet_metadata('{path}') WHERE path_in_schema IN ('i', 'c9', 'c30')"
WARM_RUNS = 20


def lake_of(bench, ceph):
    """With the bucket `far`, one that exists in Ceph."""
    ceph.bucket("bench")
    config = ('[[bucket]]\nname = "far"\nbackend = "s3"\n'
              f'endpoint = "{ceph.endpoint}"\nbucket = "bench"\ncredentials = "FAR"\n')
    env = {"LAKEHOUSE_LOG_LEVEL": "error", "LAKEHOUSE_SECRET_FAR_ACCESS_KEY_ID": ceph.access_key_id,
           "LAKEHOUSE_SECRET_FAR_SECRET_ACCESS_KEY": ceph.secret_access_key}
    return bench.lake_module.Lake(kind="one", config=config, env=env)


def fill(lake):
    columns = ", ".join(["i"] + [f"hash(i * {COLUMNS} + {c}) % {10 ** (2 + c % 17)} AS c{c}" for c in range(1, COLUMNS)])
    answer = lake.post("/v1/sql", {"sql": f"SELECT {columns} FROM range({ROWS}) r(i)"},
                       headers={"Accept": "application/vnd.apache.parquet"}, timeout=600)
    assert answer.status == 200, answer
    for dataset, bucket in (("near", "primary"), ("far", "far")):
        body = lake.ingest(dataset, answer.body, headers={"X-Lakehouse-Bucket": bucket}, format="parquet")
        assert body["rows"] == ROWS


def objects(lake, dataset):
    return lake.get(f"/v1/catalog/datasets/{dataset}").json["objects"]


def needed_bytes(bench, lake):
    """Of the three columns, in the local twin."""
    total = 0
    for o in objects(lake, "near"):
        path = lake.bucket_path(o["key"])
        total += int(bench.output(bench.program("bench", "bench_duckdb"), "value", path, 1, NEEDED.format(path=path)))
    return total


def ask(lake, dataset):
    return lake.sql(SQL.format(t=dataset))


def cold_runs(bench, lake):
    """Seconds, bytes and requests of the first question after everything cached is gone. The catalog is not asked about the dataset
    before: it reads objects for its statistics."""
    seconds, transferred = [], []
    for _ in range(bench.rounds):
        lake.stop()
        shutil.rmtree(os.path.join(lake.data, "cache"), ignore_errors=True)
        lake.start()
        body = '{"sql":"%s"}' % SQL.format(t="near")
        bench.http(lake.url, 1, "POST", "/v1/sql", "application/json", body)
        answer = ask(lake, "far")
        seconds.append(answer["elapsed_ms"] / 1e3)
        transferred.append(answer["transferred"])
    return seconds, transferred


def warm_runs(bench, lake):
    """Medians of rounds that take turns: the remote bucket, the local file."""
    times = {"far": [], "near": []}
    for i in range(bench.rounds + 1):
        for dataset in ("far", "near"):
            body = '{"sql":"%s"}' % SQL.format(t=dataset)
            seconds, _ = bench.http(lake.url, WARM_RUNS, "POST", "/v1/sql", "application/json", body)
            if i > 0:
                times[dataset].append(statistics.median(seconds))
    assert ask(lake, "far")["transferred"]["requests"] <= len(objects(lake, "far"))
    return statistics.median(times["far"]), statistics.median(times["near"])


def measure(bench):
    from ceph import Ceph
    with Ceph() as ceph, lake_of(bench, ceph) as lake:
        fill(lake)
        needed = needed_bytes(bench, lake)
        size = sum(o["size_bytes"] for o in objects(lake, "far"))
        seconds, transferred = cold_runs(bench, lake)
        far, near = warm_runs(bench, lake)
        assert ask(lake, "far")["rows"] == ask(lake, "near")["rows"]
    moved = statistics.median(t["bytes"] for t in transferred)
    requests = statistics.median(t["requests"] for t in transferred)
    cold = statistics.median(seconds)
    bench.report(f"bytes moved cold for 3 of 40 columns of {size / 1e6:.0f} MB on Ceph RGW",
                 f"{moved / 1e6:.2f} MB in {requests:.0f} requests and {cold * 1e3:.0f} ms",
                 f"their column chunks {needed / 1e6:.2f} MB", f"{moved / needed:.2f}×", "≤ 1.3×", moved <= 1.3 * needed)
    bench.report("the same query over lake:// on Ceph RGW, warm", f"{far * 1e3:.1f} ms", f"on a local file {near * 1e3:.1f} ms",
                 f"{far / near:.2f}×", "≤ 1.1×", far <= 1.1 * near)
