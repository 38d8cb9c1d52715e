// The rows of the batches of a vector index, in the order of the log, by hyparquet: a JSON array on standard output.
import fs from "node:fs";
import path from "node:path";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";

const folder = process.argv[2];
const rows = [];

for (const name of fs.readdirSync(folder).filter((n) => n.endsWith(".parquet")).sort()) {
    const bytes = fs.readFileSync(path.join(folder, name));
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);

    rows.push(...await parquetReadObjects({ file, compressors }));
}
console.log(JSON.stringify(rows, (key, value) =>
    typeof value === "bigint" ? Number(value) : ArrayBuffer.isView(value) ? Array.from(value) : value === undefined ? null : value));
