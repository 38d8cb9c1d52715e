// Parquet by hyparquet. It gives decimals as doubles, dates as Date and 128-bit integers as doubles, so these are compared as
// closely as that allows; a column of intervals or of infinite dates it cannot read at all.
import fs from "node:fs";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import * as v from "./values.mjs";

// Two steps of a double apart: the reader multiplies by a power of ten.
function sameDouble(json, value) {
    if (!Number.isFinite(value)) return json === null;
    const want = Number(json);

    return json !== null && (want === value || Math.fround(want) === value || Math.abs(want - value) <= Math.abs(want) * 2 ** -51);
}

function dateOf(value) {
    return value.toISOString().replace(/\.?0*Z$/, "");
}

// A Date ends at milliseconds.
function sameDate(json, value) {
    const want = String(json).replace(/Z$/, "");
    const have = dateOf(value);

    return have === want || have === `${want}T00:00:00` || have.slice(0, 23) === want.slice(0, 23);
}

function sameBytes(json, value) {
    const bytes = Buffer.from(value);

    return json === bytes.toString("utf8") || json === bytes.toString("base64") || json === v.uuidText(value);
}

function keyText(key) {
    if (key instanceof Date) return dateOf(key).replace(/T00:00:00$/, "");
    return key instanceof Uint8Array ? Buffer.from(key).toString("utf8") : String(key);
}

function sameMembers(json, members) {
    return Object.entries(json).every(([name, item]) => same(item, members[name] ?? null));
}

function sameObject(json, value) {
    if (value instanceof Date) return sameDate(json, value);
    if (value instanceof Uint8Array) return sameBytes(json, value);
    if (Array.isArray(json) && Array.isArray(value))
        return json.length === value.length && json.every((item, i) => same(item, value[i]));
    if (Array.isArray(value)) return sameMembers(json, Object.fromEntries(value.map((e) => [keyText(e.key), e.value])));
    if (typeof json !== "object") return false;
    return sameMembers(json, Object.fromEntries(Object.entries(value).map(([k, item]) => [keyText(k), item])));
}

export function same(json, value) {
    if (value === null || value === undefined) return json === null;
    if (typeof value === "bigint") return v.sameInteger(json, value);
    if (typeof value === "number") return sameDouble(json, value);
    if (typeof value === "object") return json !== null && sameObject(json, value);
    return json === value || String(json) === value;
}

export async function compareParquet(file, json) {
    const bytes = fs.readFileSync(file);
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const rows = await parquetReadObjects({ file: buffer, compressors, utf8: false });

    if (rows.length !== json.rows.length) v.fail("rows", json.rows.length, rows.length);
    json.rows.forEach((row, r) =>
        row.forEach((value, c) => {
            const name = json.columns[c].name;
            if (!same(value, rows[r][name])) v.fail(`row ${r} ${name}`, value, rows[r][name]);
        }),
    );
    return rows.length * json.columns.length;
}
