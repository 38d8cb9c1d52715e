// Measures usearch and LanceDB on one set of bench/vectors/data.py, in the same run as bench_vectors and by the same questions.
//
//   node peers.mjs FOLDER [queries=1000] [rounds=3] [only=usearch]     one JSON object a line, as bench_vectors prints
//
// Both are asked through their own JavaScript packages, one query at a time from one thread; the time of a query is processor time
// of the process where the peer works on the calling thread (usearch) and wall time where it has threads of its own (LanceDB).
import { createRequire } from "module";
import fs from "fs";
import os from "os";
import path from "path";

const require = createRequire(import.meta.url);
const K = 10, TRUTH = 100;
const options = Object.fromEntries(process.argv.slice(3).map((a) => a.split("=")));
const folder = process.argv[2];
const meta = JSON.parse(fs.readFileSync(path.join(folder, "meta.json")));
const dim = meta.dim;
const rows = meta.rows;
const queries = Math.min(meta.queries, Number(options.queries || 1000));
const rounds = Number(options.rounds || 3);

// Files are larger than one read may be, so they come in pieces.
function floats(name, count) {
  const out = new Float32Array(count * dim);
  const bytes = new Uint8Array(out.buffer);
  const fd = fs.openSync(path.join(folder, name), "r");
  for (let at = 0; at < bytes.length; ) {
    const n = fs.readSync(fd, bytes, at, Math.min(bytes.length - at, 1 << 28), at);
    if (n === 0) throw new Error(`${name} is short`);
    at += n;
  }
  fs.closeSync(fd);
  return out;
}

const base = floats("base.f32", rows);
const query = floats("query.f32", queries);
const truthBytes = fs.readFileSync(path.join(folder, "truth.u32"));
const truth = new Uint32Array(truthBytes.buffer, truthBytes.byteOffset, queries * TRUTH);
const row = (all, i) => all.subarray(i * dim, (i + 1) * dim);

function agree(q, ids) {
  const wanted = truth.subarray(q * TRUTH, q * TRUTH + K);
  let n = 0;
  for (const id of ids) if (wanted.includes(Number(id))) n++;
  return n / K;
}

const print = (o) => console.log(JSON.stringify(o));
const median = (v) => [...v].sort((a, b) => a - b)[v.length >> 1];
const cpu = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1e6; };

async function measure(side, ef) {
  let sum = 0;
  const cpuBegin = cpu(), begin = process.hrtime.bigint();
  for (let q = 0; q < queries; q++) sum += agree(q, await side.search(row(query, q), ef));
  const seconds = side.byClock ? Number(process.hrtime.bigint() - begin) / 1e9 : cpu() - cpuBegin;
  return { recall: sum / queries, qps: queries / seconds };
}

// The smallest width of a grid that serves the recall, as bench_vectors looks for it.
async function widthFor(side, wanted) {
  let ef = K;
  while (ef < 2500 && (await measure(side, ef)).recall < wanted) ef = Math.max(ef + 2, Math.floor((ef * 5) / 4));
  return ef;
}

async function search(side) {
  for (const wanted of [0.95, 0.99, 0.999]) {
    const ef = await widthFor(side, wanted);
    const runs = [];
    for (let r = 0; r < rounds; r++) runs.push(await measure(side, ef));
    print({ part: "search", index: side.name, threads: 1, wanted, ef, recall: +runs[0].recall.toFixed(4), qps: Math.round(median(runs.map((r) => r.qps))) });
  }
}

async function usearch() {
  const { Index, MetricKind, ScalarKind } = require("usearch");
  const made = (ef) => new Index({ dimensions: dim, metric: meta.metric === "l2" ? MetricKind.L2sq : MetricKind.Cos,
    quantization: ScalarKind.F32, connectivity: 16, expansion_add: 200, expansion_search: ef });
  const index = made(64);
  const keys = BigUint64Array.from({ length: rows }, (_, i) => BigInt(i));
  const begin = process.hrtime.bigint(), cpuBegin = cpu();
  index.add(keys, base, os.cpus().length);
  print({ part: "build", index: "usearch", seconds: Number(process.hrtime.bigint() - begin) / 1e9, cpu_s: cpu() - cpuBegin });
  // The width of a search is set when an index is made, so the graph is opened once for each.
  const file = path.join(folder, "usearch.index");
  index.save(file);
  const open = new Map();
  const side = {
    name: "usearch",
    search(q, ef) {
      if (!open.has(ef)) {
        open.clear();
        const one = made(ef);
        one.view(file);
        open.set(ef, one);
      }
      return open.get(ef).search(q, K, 1).keys;
    },
  };
  await search(side);
  fs.rmSync(file);
}

async function lancedb() {
  const lance = require("@lancedb/lancedb");
  const arrow = require("apache-arrow");
  const place = path.join(folder, "lancedb");
  fs.rmSync(place, { recursive: true, force: true });
  const db = await lance.connect(place);
  const type = new arrow.FixedSizeList(dim, new arrow.Field("item", new arrow.Float32(), true));
  const begin = process.hrtime.bigint(), cpuBegin = cpu();
  let table;
  for (let at = 0; at < rows; at += 10000) {
    const count = Math.min(10000, rows - at);
    const values = arrow.makeData({ type: new arrow.Float32(), length: count * dim, data: base.subarray(at * dim, (at + count) * dim) });
    const list = arrow.makeVector(arrow.makeData({ type, length: count, child: values }));
    const ids = arrow.vectorFromArray(Int32Array.from({ length: count }, (_, i) => at + i));
    const part = new arrow.Table({ id: ids, vector: list });
    if (table) await table.add(part);
    else table = await db.createTable("t", part);
  }
  const distanceType = meta.metric === "l2" ? "l2" : "cosine";
  await table.createIndex("vector", { config: lance.Index.hnswSq({ distanceType, numPartitions: 1, m: 16, efConstruction: 200 }) });
  print({ part: "build", index: "lancedb", seconds: Number(process.hrtime.bigint() - begin) / 1e9, cpu_s: cpu() - cpuBegin });
  const side = {
    name: "lancedb", byClock: true,
    async search(q, ef) {
      const found = await table.search(Array.from(q)).distanceType(distanceType).ef(Math.max(ef, 2 * K)).refineFactor(2).limit(K).select(["id", "_distance"]).toArray();
      return found.map((r) => r.id);
    },
  };
  await search(side);
  fs.rmSync(place, { recursive: true, force: true });
}

for (const [name, run] of Object.entries({ usearch, lancedb })) {
  if (options.only && options.only !== name) continue;
  try {
    await run();
  } catch (e) {
    print({ part: "failed", index: name, why: String(e.message || e).slice(0, 300) });
  }
}
