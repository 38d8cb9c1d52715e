"""What we write is read back by readers that share no code with us: apache-arrow, hyparquet, and a CSV reader of the tests' own.

Each answer is fetched through the public edge as JSON, CSV, Arrow and Parquet, and compared value for value by tests/readers/compare.mjs.
"""

import json
import os
import subprocess
import unittest

from lake import ROOT, Lake

ONE_TOPOLOGY_ONLY = True

# A row with values, a row of edges and a row of NULLs for every type an answer can hold. What hyparquet cannot read (intervals, infinite
# dates, arrays with NULLs) is compared as Arrow and CSV only.
TYPES = {
    "integers": "SELECT * FROM (VALUES (1::TINYINT, 2::SMALLINT, 3::INTEGER, 4::BIGINT, 5::UTINYINT, 6::USMALLINT, 7::UINTEGER, 8::UBIGINT),"
                " (-128, -32768, -2147483648, -9223372036854775807, 255, 65535, 4294967295, 18446744073709551615),"
                " (NULL, NULL, NULL, 9007199254740993, NULL, NULL, NULL, 9007199254740993)) t(a, b, c, d, e, f, g, h)",
    "floats": "SELECT * FROM (VALUES (0.1::DOUBLE, 0.1::FLOAT, true), (1e300, 1e30, false), (-0.5, 3.4028235e38, NULL), (NULL, NULL, true)) t(d, f, b)",
    "decimals": "SELECT * FROM (VALUES (1.10::DECIMAL(4,2), 123456.789::DECIMAL(9,3), 12345678901234.56::DECIMAL(18,2)), (-99.99, -1, 0), (NULL, NULL, NULL)) t(a, b, c)",
    "texts": "SELECT * FROM (VALUES ('plain', 'a\"b,c'), ('', 'zwei\nzeilen'), ('日本語 🦆', NULL), (NULL, ' ')) t(a, b)",
    "dates": "SELECT * FROM (VALUES (DATE '2024-02-29', TIMESTAMP '2024-02-29 12:34:56.789012'), (DATE '1582-10-15', TIMESTAMP '1900-01-01 00:00:00'),"
             " (DATE '1969-12-31', TIMESTAMP '1969-12-31 23:59:59.5'), (NULL, NULL)) t(d, t)",
    "blobs": "SELECT * FROM (VALUES ('\\x00\\xFF'::BLOB, uuid '00000000-0000-0000-0000-0000000000ff'), (''::BLOB, uuid 'ffffffff-ffff-ffff-ffff-ffffffffffff'), (NULL, NULL)) t(b, u)",
    "nested": "SELECT * FROM (VALUES ([1, NULL, 3], {'a': 1, 'b': 'x'}, [{'k': ['p', 'q']}]), ([], {'a': NULL, 'b': NULL}, []), (NULL, NULL, NULL)) t(l, s, n)",
    "maps": "SELECT MAP {'one': 1, 'two': 2} AS m UNION ALL SELECT MAP {} UNION ALL SELECT NULL",
    "enums": "SELECT 'b'::ENUM('a', 'b') AS e UNION ALL SELECT NULL",
    "empty": "SELECT 1 AS a, 'x' AS b WHERE false",
    "many": "SELECT range AS id, range % 7 = 0 AS seventh, 'row ' || range AS name, CASE WHEN range % 3 = 0 THEN NULL ELSE range / 8 END AS f FROM range(20000)",
}
NOT_PARQUET = {
    "intervals": "SELECT INTERVAL '1 month 2 days 3.5 seconds' AS i UNION ALL SELECT NULL",
    "infinite": "SELECT 'infinity'::DATE AS d UNION ALL SELECT '-infinity'::DATE",
    "hugeints": "SELECT 170141183460469231731687303715884105727::HUGEINT AS h UNION ALL SELECT NULL",
    "times": "SELECT TIME '23:59:59.999999' AS t UNION ALL SELECT NULL",
}
FORMS = {".csv": "text/csv", ".arrow": "application/vnd.apache.arrow.stream", ".parquet": "application/vnd.apache.parquet"}


class Readers(unittest.TestCase):
    def fetch(self, lake, folder, name, sql, forms):
        for ext, accept in {".json": "application/json", **forms}.items():
            answer = lake.post("/v1/sql", {"sql": sql, "limit": 100000}, headers={"Accept": accept})
            self.assertEqual(answer.status, 200, (name, ext, answer))
            with open(os.path.join(folder, name + ext), "wb") as f:
                f.write(answer.body)

    def compare(self, folder):
        done = subprocess.run(["node", "tests/readers/compare.mjs", folder], cwd=ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text)
        return text

    def test_every_type_reads_the_same_in_every_form(self):
        with Lake() as lake:
            folder = lake.path("answers")
            os.makedirs(folder)
            for name, sql in TYPES.items():
                self.fetch(lake, folder, name, sql, FORMS)
            for name, sql in NOT_PARQUET.items():
                self.fetch(lake, folder, name, sql, {k: v for k, v in FORMS.items() if k != ".parquet"})
            text = self.compare(folder)
            self.assertEqual(text.count("same "), 3 * len(TYPES) + 2 * len(NOT_PARQUET), text)

    def test_the_objects_in_the_bucket_hold_what_sql_says(self):
        with Lake() as lake:
            folder = lake.path("answers")
            os.makedirs(folder)
            vega = os.path.join(ROOT, "node_modules", "vega-datasets", "data")
            for dataset, file in (("weather", "seattle-weather.csv"), ("airports", "airports.csv"), ("movies", "movies.json"), ("cars", "cars.json")):
                with open(os.path.join(vega, file), "rb") as f:
                    lake.ingest(dataset, f.read())
                key = lake.get(f"/v1/catalog/datasets/{dataset}").json["objects"][0]["key"]
                self.fetch(lake, folder, dataset, f"SELECT * FROM {dataset}", {})
                stored = lake.get(f"/v1/storage/buckets/primary/objects/{key}")
                with open(os.path.join(folder, dataset + ".parquet"), "wb") as f:
                    f.write(stored.body)
            self.assertEqual(self.compare(folder).count("same "), 4)

    def test_a_manifest_is_parquet_for_anybody(self):
        with Lake() as lake:
            lake.ingest("t", b"a,b\n1,x\n2,y\n", format="csv")
            path = lake.bucket_path("_catalog/datasets/t/0000000001.parquet")
            script = ("import {asyncBufferFromFile,parquetReadObjects,parquetMetadataAsync} from 'hyparquet';"
                      "import {compressors} from 'hyparquet-compressors';"
                      "const file=await asyncBufferFromFile(process.argv[1]);const m=await parquetMetadataAsync(file);"
                      "const rows=await parquetReadObjects({file,compressors});"
                      "console.log(rows.length,String(rows[0].key).startsWith('_data/t/'),"
                      "m.key_value_metadata.some(k=>k.key==='dataset'&&k.value==='t'))")
            out = subprocess.run(["node", "--input-type=module", "-e", script, path], cwd=ROOT, check=True,
                                 stdout=subprocess.PIPE).stdout.decode()
            self.assertEqual(out, "1 true true\n")

    def test_embeddings_in_the_bucket_are_read_by_a_reader_that_is_not_ours(self):
        items = [{"id": f"żółw {i}", "vector": [i / 8, -i, 1e18 if i == 7 else 0.1], "text": f"text {i}" if i % 2 else None,
                  "metadata": {"n": i}} for i in range(1, 50)]
        with Lake() as lake:
            lake.post("/v1/vectors/indexes", {"name": "read_me", "dimension": 3, "metric": "l2"})
            answer = lake.post("/v1/vectors/indexes/read_me/items", {"items": [{k: v for k, v in i.items() if v is not None} for i in items]})
            self.assertEqual(answer.status, 200, answer)
            lake.post("/v1/vectors/indexes/read_me/items/delete", {"ids": ["żółw 3"]})
            folder = lake.bucket_path("_vectors/read_me/embeddings")
            done = subprocess.run(["node", "tests/readers/embeddings.mjs", folder], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout.decode())
            rows = json.loads(done.stdout)
        wanted = {i["id"]: i for i in items}
        self.assertEqual(rows.pop(), {"id": "żółw 3", "vector": None, "text": None, "metadata": None, "sequence": 2, "op": "delete"})
        self.assertEqual(len(rows), len(wanted))
        for row in rows:
            want = wanted[row["id"]]
            self.assertEqual((row["text"], json.loads(row["metadata"]), row["op"], row["sequence"]), (want["text"], want["metadata"], "upsert", 1))
            for got, value in zip(row["vector"], want["vector"]):
                self.assertAlmostEqual(got, value, delta=abs(value) * 1e-6)


if __name__ == "__main__":
    unittest.main()
