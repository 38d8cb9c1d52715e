"""Rows of `make bench` about vector search through the front door: what HTTP and JSON add, and what a search costs with it."""

import json
import random
import statistics
import threading
import time

DIM = 768
ITEMS = 20000
RUNS = 400


def vector(rng):
    return [round(rng.gauss(0, 1), 6) for _ in range(DIM)]


def p50(bench, lake, index, body):
    path = f"/v1/vectors/indexes/{index}/search"
    return statistics.median(statistics.median(bench.http(lake.url, RUNS, "POST", path, "application/json", body)[0])
                             for _ in range(bench.rounds)) * 1e3


def fill(lake, index, count, rng):
    answer = lake.post("/v1/vectors/indexes", {"name": index, "dimension": DIM, "metric": "cosine"})
    assert answer.status == 201, answer
    for at in range(0, count, 1000):
        items = [{"id": str(i), "vector": vector(rng)} for i in range(at, min(count, at + 1000))]
        answer = lake.post(f"/v1/vectors/indexes/{index}/items", {"items": items})
        assert answer.status == 200, answer


def p99_ms(bench, lake, index, body, until=None):
    """Of single searches one after the other; with `until`, as long as it says."""
    seconds = []
    while True:
        seconds += bench.http(lake.url, RUNS, "POST", f"/v1/vectors/indexes/{index}/search", "application/json", body)[0]
        if until is None and len(seconds) >= 4 * RUNS or until is not None and until():
            return sorted(seconds)[int(len(seconds) * 0.99)] * 1e3


def under_insert(bench, lake, index, body, rng):
    """p99 alone, and while one connection adds items without a pause; and how many it added a second."""
    batches = [json.dumps({"items": [{"id": f"new{b}-{i}", "vector": vector(rng)} for i in range(100)]}).encode() for b in range(40)]
    alone, added, done = p99_ms(bench, lake, index, body), [], threading.Event()

    def insert():
        begin = time.monotonic()
        for batch in batches:
            answer = lake.request("POST", f"/v1/vectors/indexes/{index}/items", batch, headers={"Content-Type": "application/json"})
            assert answer.status == 200, answer
            added.append(100)
        added.append(time.monotonic() - begin)
        done.set()

    thread = threading.Thread(target=insert)
    thread.start()
    busy = p99_ms(bench, lake, index, body, done.is_set)
    thread.join()
    return alone, busy, sum(added[:-1]) / added[-1]


def rows(bench):
    rng = random.Random(7)
    body = json.dumps({"vector": vector(rng), "k": 10}, separators=(",", ":"))
    with bench.lake() as lake:
        fill(lake, "one", 1, rng)
        fill(lake, "many", ITEMS, rng)
        added, whole = p50(bench, lake, "one", body), p50(bench, lake, "many", body)
        alone, busy, rate = under_insert(bench, lake, "many", body, rng)
    bench.report(f"what HTTP and JSON add to a search by a {DIM}-d vector (p50, an index of one item)", f"{added:.2f} ms", "—", "—",
                 "≤ 0.3 ms", added <= 0.3)
    bench.report(f"search among {ITEMS:,} × {DIM} over HTTP, 10 hits (p50)", f"{whole:.2f} ms", "—", "—", "—", True)
    bench.report(f"p99 of such searches while one connection adds {rate:,.0f} items a second", f"{busy:.2f} ms", f"alone {alone:.2f} ms",
                 f"{busy / alone:.1f}×", "≤ 3×", busy <= 3 * alone)
