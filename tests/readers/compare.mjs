// Reads the files of one folder with readers that share no code with this project, and compares them value for value:
//
//   node tests/readers/compare.mjs DIR
//
// For every NAME.json ({"columns":[…],"rows":[[…]]}) in DIR, the twins NAME.arrow, NAME.csv and NAME.parquet that are there must
// hold the same rows. Arrow is read by apache-arrow, Parquet by hyparquet; JSON and CSV by what stands below.
// Prints one line for each pair and fails on the first value that differs in each.
import fs from "node:fs";
import path from "node:path";
import { compareArrow } from "./arrow.mjs";
import { compareCsv } from "./csv.mjs";
import { compareParquet } from "./parquet.mjs";

const readers = { ".arrow": compareArrow, ".csv": compareCsv, ".parquet": compareParquet };
const folder = process.argv[2];
let failures = 0;
let pairs = 0;

for (const file of fs.readdirSync(folder).filter((f) => f.endsWith(".json")).sort()) {
    const name = file.slice(0, -".json".length);
    const json = JSON.parse(fs.readFileSync(path.join(folder, file), "utf8"));

    for (const [extension, compare] of Object.entries(readers)) {
        const twin = path.join(folder, name + extension);

        if (!fs.existsSync(twin)) continue;
        pairs++;
        try {
            const count = await compare(twin, json);
            console.log(`same      ${name}${extension}: ${count} values`);
        } catch (e) {
            failures++;
            console.log(`DIFFERENT ${name}${extension}: ${e.message}`);
        }
    }
}
if (pairs === 0) {
    console.log(`nothing to compare in ${folder}`);
    failures++;
}
process.exit(failures === 0 ? 0 : 1);
