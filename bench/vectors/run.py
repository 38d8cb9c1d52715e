#!/usr/bin/python3
"""Measures what docs/benchmarks-vectors.md reports: ours beside hnswlib (and faiss) in the same process, taking turns.

    bench/vectors/run.py [--build build/vectors] [--sets images,text,clustered] [--march haswell] [--kernels avx2]
                         [--parts search,threads,filter,file,insert] [--faiss] [--write docs/benchmarks-vectors.md]

Speed is by the processor time of the searching threads, since a machine that is shared drifts; ratios are of medians. A
figure that misses its aim is printed like any other.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGES = ["libhnswlib-dev", "libfaiss-dev", "libopenblas-dev", "libssl-dev", "python3-numpy", "python3-scipy",
            "python3-sklearn", "liblapack-dev"]
SEARCH_AIM = {0.95: 4, 0.99: 4, 0.999: 5}
FILTER_AIM = {0.5: 2, 0.1: 4, 0.01: 30, 0.001: 500}


def setup():
    missing = [p for p in PACKAGES if subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", p],
                                                     capture_output=True).stdout != b"installed"]
    if missing:
        sudo = [] if os.getuid() == 0 else ["sudo"]
        subprocess.run([*sudo, "apt-get", "update", "-qq"], check=True)
        subprocess.run([*sudo, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True)


def setup_peers():
    """usearch and LanceDB come from npm, into a folder of their own: nothing but this needs them."""
    if not os.path.exists(os.path.join(HERE, "node_modules", ".package-lock.json")):
        # Not `npm ci`: it refuses a lock without the builds for other systems, which a mirror need not hold.
        subprocess.run(["npm", "install", "--no-save", "--ignore-scripts", "--loglevel=error"], cwd=HERE, check=True)


def measure_peers(folder, args):
    """Lines of peers.mjs; a peer that fails says so in its line."""
    command = ["node", os.path.join(HERE, "peers.mjs"), folder, f"queries={args.queries}", f"rounds={args.rounds}"]
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as p:
        for line in p.stdout:
            if line.startswith("{"):
                print(line, end="", flush=True)
                rows.append(json.loads(line))
    return rows


def compile_bench(folder, march):
    subprocess.run(["cmake", "-S", HERE, "-B", folder, "-G", "Ninja", f"-DLH_MARCH={march}"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, "--quiet"], check=True)
    return os.path.join(folder, "bench_vectors")


def measure(program, folder, args):
    command = [program, folder, f"parts={args.parts}", f"queries={args.queries}", f"rounds={args.rounds}",
               f"faiss={int(args.faiss)}"] + ([f"kernels={args.kernels}"] if args.kernels else [])
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as p:
        for line in p.stdout:
            print(line, end="", flush=True)
            rows.append(json.loads(line))
    if p.returncode != 0:
        sys.exit(f"{' '.join(command)} failed")
    return rows


def verdict(value, aim, less=False):
    return "met" if (value <= aim if less else value >= aim) else "**missed**"


def pairs(rows, part, *keys):
    """(key values) → {index: row} for the rows of a part, in their order."""
    found = {}
    for r in rows:
        if r.get("part") == part and "index" in r:
            found.setdefault(tuple(r[k] for k in keys), {})[r["index"]] = r
    return found


def lines_of(name, rows):
    out = []

    def line(what, ours, peer, ratio, aim, met):
        out.append(f"| {name} | {what} | {ours} | {peer} | {ratio} | {aim} | {met} |")

    for _, b in pairs(rows, "build").items():
        o, p = b["ours"], b.get("hnswlib")
        if p:
            ratio = p["cpu_s"] / o["cpu_s"]
            line("build, processor seconds", f"{o['cpu_s']:.1f}", f"{p['cpu_s']:.1f}", f"{ratio:.1f}×", "≥ 4×", verdict(ratio, 4))
        aim = "≤ 1,000" if name == "clustered" else "—"
        line("bytes per vector beside the floats", f"{o['bytes']:.0f}", f"{p['bytes']:.0f} with floats" if p else "—", "—", aim,
             verdict(o["bytes"], 1000, less=True) if name == "clustered" else "—")
    for (wanted, threads), b in pairs(rows, "search", "wanted", "threads").items():
        o, p = b["ours"], b.get("hnswlib")
        if p:
            ratio = o["qps"] / p["qps"]
            met = verdict(ratio, SEARCH_AIM[wanted])
            if o["recall"] < wanted - 5e-4 or p["recall"] < wanted - 5e-4:
                met += f" (recall reached: {o['recall']:.4f} and {p['recall']:.4f})"
            line(f"QPS at recall {wanted:g}, {threads} thread{'s' if threads > 1 else ''}", f"{o['qps']:,.0f} (ef {o['ef']})",
                 f"{p['qps']:,.0f} (ef {p['ef']})", f"{ratio:.1f}×", f"≥ {SEARCH_AIM[wanted]}×", met)
        for other in ("usearch", "lancedb", "faiss"):
            if other in b:
                line(f"the same beside {other}", f"{o['qps']:,.0f}", f"{b[other]['qps']:,.0f} (ef {b[other]['ef']}, recall {b[other]['recall']:.4f})",
                     f"{o['qps'] / b[other]['qps']:.1f}×", "—", "—")
    for (share,), b in pairs(rows, "filter", "share").items():
        o, p = b["ours"], b.get("hnswlib")
        if p:
            ratio, aim = o["qps"] / p["qps"], FILTER_AIM.get(share)
            line(f"filter {share:.2%}, QPS and recall", f"{o['qps']:,.0f}, {o['recall']:.3f}", f"{p['qps']:,.0f}, {p['recall']:.3f}",
                 f"{ratio:,.1f}×", f"≥ {aim}×" if aim else "—", verdict(ratio, aim) if aim else "—")
    for _, b in pairs(rows, "insert").items():
        o, p = b["ours"], b.get("hnswlib")
        rise = o["busy_p99_us"] / o["idle_p99_us"]
        line("search p99 while one thread inserts", f"{o['idle_p99_us']:.0f} → {o['busy_p99_us']:.0f} µs",
             f"{p['idle_p99_us']:.0f} → {p['busy_p99_us']:.0f} µs" if p else "—", f"{rise:.2f}× idle", "≤ 1.25×",
             verdict(rise, 1.25, less=True))
        if p:
            ratio = o["inserts_per_s"] / p["inserts_per_s"]
            line("inserts a second of processor time", f"{o['inserts_per_s']:,.0f}", f"{p['inserts_per_s']:,.0f}", f"{ratio:.1f}×",
                 "≥ 3×", verdict(ratio, 3))
    for r in rows:
        if r.get("part") == "file" and "open_ms" in r:
            line("from open to first answer", f"{r['open_ms']:.0f} ms", "—", "—", "≤ 100 ms", verdict(r["open_ms"], 100, less=True))
    return out


def write(path, tables, kernels):
    cpu = "unknown"
    with open("/proc/cpuinfo") as f:
        for text in f:
            if text.startswith("model name"):
                cpu = text.split(":", 1)[1].strip()
                break
    head = f"""# Vector benchmarks

Measured {datetime.date.today().isoformat()} by `bench/vectors/run.py` on {os.cpu_count()} cores of {cpu}, kernels
{kernels or "best"}, against Debian's hnswlib 0.6.2 (M 16, ef_construction 200) in the same process, both compiled for the
same instructions. Ours runs with its defaults. Speed is by processor time of the threads at work, because the
machine was shared; wall time varied with its load. Recall is recall@10; each side has the smallest ef that serves it.
hnswlib 0.6.2 has no filter in the walk, so the filter of its version 0.8 is written out in `bench.cc`.

| Set | What | Ours | hnswlib | Ratio | Aim | |
| --- | --- | --- | --- | --- | --- | --- |
"""
    with open(path, "w") as f:
        f.write(head + "\n".join(tables) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "vectors"))
    parser.add_argument("--sets", default="images,text,clustered")
    parser.add_argument("--march", default="haswell")
    parser.add_argument("--kernels", default="avx2")
    parser.add_argument("--parts", default="search,threads,filter,file,insert")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--faiss", action="store_true")
    parser.add_argument("--peers", action="store_true", help="usearch and LanceDB too")
    parser.add_argument("--lines", help="a file of measured lines to make the table of, instead of measuring")
    parser.add_argument("--write")
    args = parser.parse_args()
    tables = []
    if args.lines:
        current, sets = None, {}
        with open(args.lines) as f:
            for text in f:
                row = json.loads(text)
                current = row.get("set", current)
                sets.setdefault(current, []).append(row)
        for name, rows in sets.items():
            tables += lines_of(name, rows)
    else:
        setup()
        if args.peers:
            setup_peers()
        program = compile_bench(os.path.join(args.build, "bench-" + args.march), args.march)
        data = os.path.join(args.build, "data")
        names = args.sets.split(",")
        subprocess.run(["/usr/bin/python3", os.path.join(HERE, "data.py"), data, *names], check=True)
        for name in names:
            rows = measure(program, os.path.join(data, name), args)
            tables += lines_of(name, rows + (measure_peers(os.path.join(data, name), args) if args.peers else []))
    print("\n".join(tables))
    if args.write:
        write(args.write, tables, args.kernels)


if __name__ == "__main__":
    main()
