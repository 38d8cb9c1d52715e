// Parquet by hyparquet. What Parquet cannot say the way DuckDB does (enums, unions, 128-bit integers) is compared as far as it can.
import fs from "node:fs";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import * as v from "./values.mjs";

function isoOf(date) {
    return date.toISOString().replace(/\.?0*Z$/, "");
}

function sameDate(json, value) {
    const have = isoOf(value);
    const want = String(json).replace(/Z$/, "");

    return have === want || have === `${want}T00:00:00` || have.slice(0, 23) === want.slice(0, 23);
}

function sameEntries(json, entries) {
    return Object.entries(json).every(([key, item]) => same(item, entries[key]));
}

function sameObject(json, value) {
    if (value instanceof Date) return sameDate(json, value);
    if (value instanceof Uint8Array)
        return json === Buffer.from(value).toString("base64") || json === v.uuidText(value);
    if (Array.isArray(json)) return json.length === value.length && json.every((item, i) => same(item, value[i]));
    if (Array.isArray(value)) return sameEntries(json, Object.fromEntries(value.map((e) => [String(e.key), e.value])));
    return typeof json === "object" && sameEntries(json, value);
}

export function same(json, value) {
    if (value === null || value === undefined) return json === null;
    if (typeof value === "bigint") return v.sameInteger(json, value);
    if (typeof value === "number")
        return Number.isFinite(value) ? Number(json) === value || Math.fround(json) === value : json === null;
    if (typeof value === "object" && json !== null) return sameObject(json, value);
    return json === value || String(json) === value;
}

export async function compareParquet(file, json) {
    const bytes = fs.readFileSync(file);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const rows = await parquetReadObjects({ file: buffer, compressors });

    if (rows.length !== json.rows.length) v.fail("rows", json.rows.length, rows.length);
    json.rows.forEach((row, r) =>
        row.forEach((value, c) => {
            const name = json.columns[c].name;
            if (!same(value, rows[r][name])) v.fail(`row ${r} ${name}`, value, rows[r][name]);
        }),
    );
    return rows.length * json.columns.length;
}
