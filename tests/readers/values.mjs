// What the rules of the JSON form (engine/result.h) say of raw values, written down a second time.

export class Different extends Error {}

export function fail(where, want, have) {
    const show = (v) => JSON.stringify(v, (_, x) => (typeof x === "bigint" ? `${x}n` : x));
    throw new Different(`${where}: JSON has ${show(want)}, the other ${show(have)}`);
}

// An integer of any size: a number up to 2^53, a string beyond.
export function sameInteger(json, value) {
    const big = BigInt(value);
    const limit = 2n ** 53n;
    const isNumber = big <= limit && big >= -limit;

    return typeof json === (isNumber ? "number" : "string") && BigInt(json) === big;
}

export function sameFloat(json, value) {
    return Number.isFinite(value) ? Object.is(json, value) : json === null;
}

export function sameFloat32(json, value) {
    return Number.isFinite(value) ? Object.is(Math.fround(json), value) : json === null;
}

export function decimalText(unscaled, scale) {
    const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
    const whole = digits.slice(0, digits.length - scale);

    return (unscaled < 0n ? "-" : "") + (scale > 0 ? `${whole}.${digits.slice(-scale)}` : whole);
}

// A number when 15 significant digits are enough, otherwise the text.
export function sameDecimal(json, unscaled, scale) {
    const text = decimalText(unscaled, scale);
    const digits = text.replace(/[-.]/g, "").replace(/^0+/, "").replace(/0+$/, "");

    return digits.length <= 15 ? json === Number(text) : json === text;
}

function pad(n, size) {
    return n.toString().padStart(size, "0");
}

function yearText(year) {
    if (year >= 0n && year <= 9999n) return pad(year, 4);
    return year < 0n ? `-${pad(-year, 6)}` : `+${pad(year, 6)}`;
}

// Proleptic Gregorian calendar by counting whole 400-year cycles off and leaving the rest to Date.
export function dateText(days) {
    const cycle = 146097n;
    const cycles = (days >= 0n ? days : days - cycle + 1n) / cycle;
    const date = new Date(Number(days - cycles * cycle) * 86400000);
    const year = BigInt(date.getUTCFullYear()) + cycles * 400n;

    return `${yearText(year)}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`;
}

export function timeText(value, unitsPerSecond) {
    const seconds = value / unitsPerSecond;
    const width = unitsPerSecond.toString().length - 1;
    const fraction = width > 0 ? pad(value % unitsPerSecond, width).replace(/0+$/, "") : "";
    const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((n) => pad(n, 2)).join(":");

    return fraction === "" ? clock : `${clock}.${fraction}`;
}

const INFINITE = 2n ** 63n - 1n;

export function timestampText(value, unitsPerSecond, hasZone) {
    const day = 86400n * unitsPerSecond;
    const days = (value >= 0n ? value : value - day + 1n) / day;

    if (value === INFINITE) return "infinity";
    if (value === -INFINITE) return "-infinity";
    return `${dateText(days)}T${timeText(value - days * day, unitsPerSecond)}${hasZone ? "Z" : ""}`;
}

export function intervalText(months, days, ns) {
    const part = (n, unit) => (n === 0n ? "" : `${n}${unit}`);
    const date = part(months / 12n, "Y") + part(months % 12n, "M") + part(days, "D");
    const us = ns / 1000n;
    const rest = us % 60000000n;
    const size = rest < 0n ? -rest : rest;
    const fraction = pad(size % 1000000n, 6).replace(/0+$/, "");
    const seconds = rest === 0n ? "" : `${rest < 0n ? "-" : ""}${size / 1000000n}${fraction && "." + fraction}S`;
    const time = part(us / 3600000000n, "H") + part((us / 60000000n) % 60n, "M") + seconds;

    if (date === "" && time === "") return "PT0S";
    return `P${date}${time === "" ? "" : "T" + time}`;
}

export function uuidText(bytes) {
    const hex = Buffer.from(bytes).toString("hex");

    return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
