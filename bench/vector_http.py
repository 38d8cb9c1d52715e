"""Rows of `make bench` about vector search through the front door: what HTTP and JSON add, and what a search costs with it."""

import json
import random
import statistics

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


def rows(bench):
    rng = random.Random(7)
    body = json.dumps({"vector": vector(rng), "k": 10}, separators=(",", ":"))
    with bench.lake() as lake:
        fill(lake, "one", 1, rng)
        fill(lake, "many", ITEMS, rng)
        added, whole = p50(bench, lake, "one", body), p50(bench, lake, "many", body)
    bench.report(f"what HTTP and JSON add to a search by a {DIM}-d vector (p50, an index of one item)", f"{added:.2f} ms", "—", "—",
                 "≤ 0.3 ms", added <= 0.3)
    bench.report(f"search among {ITEMS:,} × {DIM} over HTTP, 10 hits (p50)", f"{whole:.2f} ms", "—", "—", "—", True)
