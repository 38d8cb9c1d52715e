// Arrow IPC by apache-arrow. Its getters turn some values into numbers and dates that cannot hold them, so values are taken
// from the typed arrays it hands out.
import fs from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { RecordBatchReader, Type } from "apache-arrow";
import * as v from "./values.mjs";

const PER_SECOND = [1n, 1000n, 1000000n, 1000000000n];

function wide(words, i) {
    const part = (k) => BigInt(words[4 * i + k]);

    return BigInt.asIntN(128, part(0) | (part(1) << 32n) | (part(2) << 64n) | (part(3) << 96n));
}

function words(data) {
    const bytes = data.values;
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

// decimal128(38, 0) is also what a HUGEINT comes as, and that follows the rule of integers.
function sameDecimal(json, value, type) {
    const mayBeHugeint = type.precision === 38 && type.scale === 0;

    return v.sameDecimal(json, value, type.scale) || (mayBeHugeint && v.sameInteger(json, value));
}

function slice(data, i) {
    return data.values.subarray(data.valueOffsets[i], data.valueOffsets[i + 1]);
}

function sameText(json, text, field) {
    if (field.metadata.get("ARROW:extension:name") === "arrow.json")
        return isDeepStrictEqual(json, JSON.parse(text)) || json === text;
    return json === text || (typeof json === "number" && String(json) === text);
}

function sameList(json, child, field, from, to) {
    if (!Array.isArray(json) || json.length !== to - from) return false;
    return json.every((item, k) => same(item, child, field, from + k));
}

// A member of a struct by name, or by place when the struct has no names.
function sameStruct(json, data, field, i) {
    return data.type.children.every((member, k) =>
        same(Array.isArray(json) ? json[k] : json[member.name], data.children[k], member, i),
    );
}

// A map's key as the text it has in a JSON object.
function keyText(data, i) {
    switch (data.type.typeId) {
        case Type.Utf8:
            return Buffer.from(slice(data, i)).toString("utf8");
        case Type.Date:
            return v.dateText(BigInt(data.values[i]));
        default:
            return String(data.values[i]);
    }
}

function sameMap(json, data, field, i) {
    const [keys, values] = data.children[0].children;
    const valueField = data.type.children[0].type.children[1];
    const from = data.valueOffsets[i];
    const to = data.valueOffsets[i + 1];

    if (Object.keys(json).length !== to - from) return false;
    for (let k = from; k < to; k++)
        if (!same(json[keyText(keys, k)], values, valueField, k)) return false;
    return true;
}

function sameUnion(json, data, i) {
    const tag = data.typeIds[i];
    const member = data.type.children[tag];
    const child = data.children[tag];

    if (json === null) return !child.getValid(i);
    return Object.keys(json).length === 1 && same(json[member.name], child, member, i);
}

export function same(json, data, field, i) {
    const type = data.type;

    if (type.typeId === Type.Union || type.typeId === Type.SparseUnion) return sameUnion(json, data, i);
    if (type.typeId === Type.Null) return json === null;
    if (!data.getValid(i)) return json === null;
    switch (type.typeId) {
        case Type.Bool:
            return json === (((data.values[i >> 3] >> (i & 7)) & 1) === 1);
        case Type.Int:
            return v.sameInteger(json, data.values[i]);
        case Type.Float:
            return type.precision === 1 ? v.sameFloat32(json, data.values[i]) : v.sameFloat(json, data.values[i]);
        case Type.Decimal:
            return sameDecimal(json, wide(words(data), i), type);
        case Type.Utf8:
            return sameText(json, Buffer.from(slice(data, i)).toString("utf8"), field);
        case Type.Binary:
            return json === Buffer.from(slice(data, i)).toString("base64");
        case Type.FixedSizeBinary:
            return json === v.uuidText(data.values.subarray(16 * i, 16 * i + 16));
        case Type.Date: {
            const days = data.values[i];
            const text = days === 2147483647 ? "infinity" : days === -2147483647 ? "-infinity" : v.dateText(BigInt(days));
            return json === text;
        }
        case Type.Time:
            return json === v.timeText(BigInt(data.values[i]), PER_SECOND[type.unit]);
        case Type.Timestamp:
            return json === v.timestampText(BigInt(data.values[i]), PER_SECOND[type.unit], type.timezone !== null);
        case Type.Interval: {
            const w = new Int32Array(data.values.buffer, data.values.byteOffset + 16 * i, 4);
            const ns = (BigInt(w[3]) << 32n) | BigInt(w[2] >>> 0);
            return json === v.intervalText(BigInt(w[0]), BigInt(w[1]), ns);
        }
        case Type.Dictionary:
            return json === data.dictionary.get(Number(data.values[i]));
        case Type.List:
            return sameList(json, data.children[0], type.children[0], data.valueOffsets[i], data.valueOffsets[i + 1]);
        case Type.FixedSizeList:
            return sameList(json, data.children[0], type.children[0], i * type.listSize, (i + 1) * type.listSize);
        case Type.Struct:
            return sameStruct(json, data, field, i);
        case Type.Map:
            return sameMap(json, data, field, i);
        default:
            throw new Error(`${field.name} has a type nobody expected: ${type}`);
    }
}

export async function compareArrow(file, json) {
    const reader = await RecordBatchReader.from(fs.readFileSync(file));
    let row = 0;

    reader.open();
    const fields = reader.schema.fields;
    json.columns.forEach((c, i) => fields[i].name === c.name || v.fail(`field ${i}`, c.name, fields[i].name));
    for (const batch of reader) {
        for (let i = 0; i < batch.numRows; i++, row++) {
            fields.forEach((field, c) => {
                const data = batch.data.children[c];
                if (!same(json.rows[row][c], data, field, i))
                    v.fail(`row ${row} ${field.name} (${field.type})`, json.rows[row][c], batch.getChildAt(c).get(i));
            });
        }
    }
    if (row !== json.rows.length) v.fail("rows", json.rows.length, row);
    return row * fields.length;
}
