// CSV by RFC 4180, keeping apart an empty field (NULL) and an empty quoted one.
import fs from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { fail } from "./values.mjs";

export function parseCsv(text) {
    const rows = [];
    let row = [];
    let at = 0;

    while (at < text.length) {
        let field = "";
        const isQuoted = text[at] === '"';

        if (isQuoted) {
            at++;
            for (;;) {
                const end = text.indexOf('"', at);
                if (end < 0) throw new Error("a quoted field does not end");
                field += text.slice(at, end);
                at = end + 1;
                if (text[at] !== '"') break;
                field += '"';
                at++;
            }
        } else {
            while (at < text.length && text[at] !== "," && text[at] !== "\n") field += text[at++];
        }
        row.push({ text: field, isNull: !isQuoted && field === "" });
        if (text[at] !== ",") {
            if (text[at] !== "\n") throw new Error(`a stray character at ${at}`);
            rows.push(row);
            row = [];
        } else if (at + 1 === text.length) {
            throw new Error("the last line does not end");
        }
        at++;
    }
    return rows;
}

// The JSON value null, in a column of type JSON, is a value and not NULL.
function same(json, field, type) {
    if (json === null) return field.isNull || (type === "JSON" && field.text === "null");
    if (field.isNull) return false;
    if (typeof json === "number") return Number(field.text) === json;
    if (typeof json === "boolean") return field.text === String(json);
    if (typeof json === "string") return field.text === json || field.text === JSON.stringify(json);
    return isDeepStrictEqual(JSON.parse(field.text), json);
}

export function compareCsv(file, json) {
    const [header, ...rows] = parseCsv(fs.readFileSync(file, "utf8"));

    json.columns.forEach((c, i) => header[i].text === c.name || fail(`header ${i}`, c.name, header[i].text));
    if (rows.length !== json.rows.length) fail("rows", json.rows.length, rows.length);
    json.rows.forEach((row, r) =>
        row.forEach((value, c) => {
            const { name, type } = json.columns[c];
            if (!same(value, rows[r][c], type)) fail(`row ${r} ${name}`, value, rows[r][c]);
        }),
    );
    return json.rows.length * json.columns.length;
}
