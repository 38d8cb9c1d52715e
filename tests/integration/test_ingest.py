"""Files in: formats, types, rejects, modes, idempotency — through the public edge."""

import gzip
import io
import json
import os
import re
import subprocess
import unittest

from lake import ROOT, Lake

VEGA = os.path.join(ROOT, "node_modules", "vega-datasets", "data")

WORKERS = (b"worker_id,name,age,score,hired,active\n"
           b"007,Ann,31,0.85,2024-02-29,true\n"
           b"008,Bob,40,1.5,2023-01-01,false\n"
           b"009,Cleo,,2,2022-12-31,true\n")


def types(answer):
    return {c["name"]: c["type"] for c in answer["columns"]}


class IngestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lake = Lake()
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)


class Formats(IngestCase):
    def test_a_csv_becomes_a_typed_version_that_sql_sees_at_once(self):
        answer = self.lake.post("/v1/ingest?dataset=first", WORKERS, headers={"Content-Type": "text/csv"})
        self.assertEqual(answer.status, 201, answer)
        body = answer.json
        self.assertEqual((body["version"], body["rows"], body["rows_in"], body["rows_rejected"]), (1, 3, 3, 0))
        self.assertEqual(types(body), {"worker_id": "VARCHAR", "name": "VARCHAR", "age": "BIGINT",
                                       "score": "DOUBLE", "hired": "DATE", "active": "BOOLEAN"})
        self.assertFalse(body["unchanged"])
        self.assertIsNone(body["rejects"])
        self.assertEqual(len(body["content_sha256"]), 64)
        self.assertEqual(len(body["fingerprint"]), 64)
        self.assertEqual(self.lake.rows("SELECT worker_id, age FROM first WHERE active ORDER BY 1"),
                         [["007", 31], ["009", None]])

    def test_values_in_no_canonical_form_stay_text(self):
        columns = {"zip": ["00501", "10001"], "plus": ["+1", "2"], "expo": ["1e5", "2"], "thousands": ["1,000", "2"],
                   "date": ["2021-02-30", "2021-02-28"], "yes": ["Y", "N"], "huge": ["9223372036854775808", "1"],
                   "digits": ["0.1234567890123456", "1"], "minus_zero": ["-0", "1"], "mixed_bool": ["true", "True"]}
        names = list(columns)
        lines = [",".join(names)] + [",".join(f'"{columns[n][i]}"' for n in names) for i in (0, 1)]
        body = self.lake.ingest("doubtful", "\n".join(lines).encode(), format="csv")
        self.assertEqual(set(types(body).values()), {"VARCHAR"}, types(body))
        self.assertEqual(self.lake.rows(f"SELECT {', '.join(names)} FROM doubtful"),
                         [[columns[n][i] for n in names] for i in (0, 1)])

    def test_types_can_be_set_and_what_does_not_fit_is_a_reject(self):
        body = self.lake.ingest("typed", b"id,n\n007,1\n008,x\n", types={"id": "INTEGER", "n": "INTEGER"}, format="csv")
        self.assertEqual(types(body), {"id": "INTEGER", "n": "INTEGER"})
        self.assertEqual((body["rows_in"], body["rows"], body["rows_rejected"]), (2, 1, 1))
        self.assertIsNotNone(body["rejects"])

    def test_ragged_rows_are_rejected_with_line_offset_reason_and_text(self):
        data = b"a,b\n1,2\n3\n4,5,6\n7,8\n"
        body = self.lake.ingest("ragged", data, format="csv")
        self.assertEqual((body["rows_in"], body["rows"], body["rows_rejected"]), (4, 2, 2))
        key = body["rejects"].split("/", 3)[3] if body["rejects"].startswith("lake://") else body["rejects"]
        answer = self.lake.get(f"/v1/storage/buckets/primary/objects/{key}")
        self.assertEqual(answer.status, 200)
        path = self.lake.path("rejects.parquet")
        with open(path, "wb") as f:
            f.write(answer.body)
        script = ("import {asyncBufferFromFile,parquetReadObjects} from 'hyparquet';"
                  "import {compressors} from 'hyparquet-compressors';"
                  "const rows=await parquetReadObjects({file:await asyncBufferFromFile(process.argv[1]),compressors});"
                  "console.log(JSON.stringify(rows,(k,v)=>typeof v==='bigint'?Number(v):v))")
        out = subprocess.run(["node", "--input-type=module", "-e", script, path], cwd=ROOT, check=True,
                             stdout=subprocess.PIPE).stdout
        rows = sorted(json.loads(out), key=lambda r: r["line"])
        self.assertEqual([(r["line"], r["byte_offset"], r["raw"]) for r in rows], [(3, 8, "3"), (4, 10, "4,5,6")])
        self.assertTrue(all(r["reason"] for r in rows))

    def test_encodings_line_ends_and_delimiters_give_the_same_table(self):
        text = "id,city,note\n1,Zürich,\"two\nlines\"\n2,Genève,plain\n"
        want = [[1, "Zürich", "two\nlines"], [2, "Genève", "plain"]]
        cases = {
            "utf8": text.encode(),
            "bom": b"\xef\xbb\xbf" + text.encode(),
            "utf16le": b"\xff\xfe" + text.encode("utf-16-le"),
            "utf16be": b"\xfe\xff" + text.encode("utf-16-be"),
            "latin1": text.encode("latin-1"),
            "crlf": text.replace("\n1", "\r\n1").replace("\n2", "\r\n2").replace("plain\n", "plain\r\n").encode(),
            "semicolon": text.replace(",", ";").encode(),
            "pipe": text.replace(",", "|").encode(),
            "tab": text.replace(",", "\t").encode(),
            "double_pipe": text.replace(",", "||").encode(),
            "comments": ("# made by hand\n" + text).encode(),
            "gzip": gzip.compress(text.encode()),
            "zstd": subprocess.run(["zstd", "-c"], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout,
        }
        for name, data in cases.items():
            with self.subTest(name):
                body = self.lake.ingest("enc_" + name, data, format="csv")
                self.assertEqual(body["rows_rejected"], 0)
                self.assertEqual(self.lake.rows(f"SELECT id, city, note FROM enc_{name} ORDER BY id"), want)

    def test_header_names_are_made_usable(self):
        body = self.lake.ingest("headers", b"a,,a,A\n1,2,3,4\n", format="csv")
        names = [c["name"] for c in body["columns"]]
        self.assertEqual(len({n.lower() for n in names}), 4, names)
        self.assertTrue(all(names))
        body = self.lake.ingest("no_header", b"1,2.5,2024-01-01\n2,3.5,2024-01-02\n", format="csv")
        self.assertEqual(body["rows"], 2)
        self.assertEqual(list(types(body).values()), ["BIGINT", "DOUBLE", "DATE"])

    def test_json_array_ndjson_and_nested_values(self):
        records = [{"id": 1, "tags": ["a", "b"], "who": {"name": "Ann", "age": 3}, "code": "007"},
                   {"id": 2, "tags": [], "who": {"name": "Bob", "age": None}, "code": "8", "extra": 1.5}]
        for name, data in (("arr", json.dumps(records)), ("nd", "\n".join(map(json.dumps, records)))):
            with self.subTest(name):
                body = self.lake.ingest("json_" + name, data.encode())
                self.assertEqual(body["rows"], 2)
                self.assertEqual(types(body)["code"], "VARCHAR")
                self.assertEqual(types(body)["id"], "BIGINT")
                self.assertEqual(self.lake.rows(
                    f"SELECT id, tags, who.name, extra FROM json_{name} ORDER BY id"),
                    [[1, ["a", "b"], "Ann", None], [2, [], "Bob", 1.5]])

    def test_a_broken_ndjson_line_is_a_reject_and_not_a_loss(self):
        body = self.lake.ingest("nd_broken", b'{"a":1}\n{"a":\n{"a":3}\n', format="ndjson")
        self.assertEqual((body["rows_in"], body["rows"], body["rows_rejected"]), (3, 2, 1))
        self.assertEqual(self.lake.rows("SELECT a FROM nd_broken ORDER BY a"), [[1], [3]])

    def test_parquet_is_adopted_and_read_back(self):
        with open(os.path.join(VEGA, "flights-3m.parquet"), "rb") as f:
            body = self.lake.ingest("flights3m", f)
        self.assertEqual(body["rows"], self.lake.value("SELECT count(*) FROM flights3m"))
        self.assertEqual(body["rows"], 3000000)

    def test_real_files_have_all_their_rows(self):
        for name in sorted(os.listdir(VEGA)):
            stem, ext = os.path.splitext(name)
            if ext != ".csv":
                continue
            with self.subTest(name):
                with open(os.path.join(VEGA, name), "rb") as f:
                    data = f.read()
                body = self.lake.ingest("vega_" + stem.replace("-", "_"), data, format="csv")
                self.assertEqual(body["rows_in"], body["rows"] + body["rows_rejected"])
                self.assertEqual(body["rows"], self.lake.value(
                    f"SELECT count(*) FROM vega_{stem.replace('-', '_')}"))
        self.assertEqual(self.lake.value("SELECT count(*) FROM vega_zipcodes WHERE zip_code = '00501'"), 1)

    def test_multipart_carries_the_file(self):
        boundary = "x7b0undary"
        note = f"--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n".encode()
        body = (f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"w.csv\"\r\n"
                f"Content-Type: text/csv\r\n\r\n").encode() + WORKERS + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = self.lake.post("/v1/ingest?dataset=multi", body, headers=headers)
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.json["rows"], 3)
        refused = self.lake.post("/v1/ingest?dataset=multi2", note + body, headers=headers)
        self.assertEqual(refused.status, 400)
        self.assertIn("note", refused.json["detail"])

    def test_unreadable_unknown_and_misnamed_are_told_apart(self):
        post = self.lake.post
        cases = [
            ("/v1/ingest?dataset=1bad", WORKERS, 400, "catalog.name"),
            ("/v1/ingest", WORKERS, 400, None),
            ("/v1/ingest?dataset=x&format=xyz", WORKERS, 415, "ingest.unknown_format"),
            ("/v1/ingest?dataset=x&mode=merge", WORKERS, 400, None),
            ("/v1/ingest?dataset=x&colour=red", WORKERS, 400, None),
            ("/v1/ingest?dataset=x&format=parquet", b"PAR1 not parquet PAR1", 422, "ingest.unreadable"),
            ("/v1/ingest?dataset=x&format=json", b"{]", 422, "ingest.unreadable"),
            ("/v1/ingest?dataset=x&mode=upsert", WORKERS, 400, None),
        ]
        for path, data, status, code in cases:
            with self.subTest(path):
                answer = post(path, data, headers={"Content-Type": "application/octet-stream"})
                self.assertEqual(answer.status, status, answer)
                self.assertEqual(answer.headers["content-type"], "application/problem+json")
                if code:
                    self.assertEqual(answer.json["code"], code)
        self.assertEqual(self.lake.get("/v1/catalog/datasets/x").status, 404)


    def test_a_raw_body_can_name_its_source(self):
        self.lake.ingest("named", WORKERS, source="workers of May.csv")
        versions = self.lake.get("/v1/catalog/datasets/named/versions").json["versions"]
        self.assertEqual(versions[0]["source"], "workers of May.csv")
        self.assertEqual(self.lake.post("/v1/ingest?dataset=named&source=a%00b", WORKERS).status, 400)


class Modes(IngestCase):
    def test_the_same_bytes_change_nothing(self):
        first = self.lake.ingest("same", WORKERS, format="csv")
        again = self.lake.post("/v1/ingest?dataset=same&format=csv", WORKERS)
        self.assertEqual(again.status, 200)
        self.assertTrue(again.json["unchanged"])
        self.assertEqual(again.json["version"], first["version"])
        appended = self.lake.ingest("same", WORKERS, format="csv", mode="append")
        self.assertFalse(appended["unchanged"] and appended["version"] != first["version"])

    def test_append_adds_and_never_twice(self):
        self.lake.ingest("log", b"id,v\n1,a\n", mode="append", format="csv")
        second = self.lake.ingest("log", b"id,v\n2,b\n", mode="append", format="csv")
        self.assertEqual((second["version"], second["rows"]), (2, 1))
        repeated = self.lake.ingest("log", b"id,v\n2,b\n", mode="append", format="csv")
        self.assertTrue(repeated["unchanged"])
        self.assertEqual(repeated["version"], 2)
        forced = self.lake.ingest("log", b"id,v\n2,b\n", mode="append", format="csv", allow_duplicate=True)
        self.assertEqual((forced["version"], forced["rows"]), (3, 1))
        self.assertEqual(self.lake.rows("SELECT id, v FROM log ORDER BY id"), [[1, "a"], [2, "b"], [2, "b"]])
        self.assertEqual(self.lake.rows('SELECT count(*) FROM "log@2"'), [[2]])

    def test_upsert_replaces_by_key(self):
        self.lake.ingest("people", b"id,name\n1,Ann\n2,Bob\n3,Cy\n", format="csv")
        body = self.lake.ingest("people", b"id,name\n2,Bea\n4,Di\n2,Bo\n", mode="upsert", key="id", format="csv")
        self.assertEqual(body["version"], 2)
        self.assertEqual(self.lake.rows("SELECT id, name FROM people ORDER BY id"),
                         [[1, "Ann"], [2, "Bo"], [3, "Cy"], [4, "Di"]])
        again = self.lake.ingest("people", b"id,name\n2,Bea\n4,Di\n2,Bo\n", mode="upsert", key="id", format="csv")
        self.assertTrue(again["unchanged"])

    def test_another_schema_is_refused_unless_asked_to_evolve(self):
        self.lake.ingest("drift", b"id,name\n1,Ann\n", format="csv")
        answer = self.lake.post("/v1/ingest?dataset=drift&format=csv", b"id,city,name\nx,Rome,Bo\n")
        self.assertEqual(answer.status, 409)
        problem = answer.json
        self.assertEqual(problem["code"], "catalog.schema_drift")
        self.assertEqual([c["name"] for c in problem["added"]], ["city"])
        self.assertEqual([c["name"] for c in problem["retyped"]], ["id"])
        body = self.lake.ingest("drift", b"id,city,name\nx,Rome,Bo\n", format="csv", evolve=True)
        self.assertEqual(body["version"], 2)
        self.assertEqual(self.lake.rows("SELECT id, city, name FROM drift"), [["x", "Rome", "Bo"]])

    def test_append_with_evolve_keeps_old_rows_with_null(self):
        self.lake.ingest("grow", b"id\n1\n", format="csv")
        refused = self.lake.post("/v1/ingest?dataset=grow&format=csv&mode=append", b"id,city\n2,Rome\n")
        self.assertEqual(refused.status, 409)
        self.lake.ingest("grow", b"id,city\n2,Rome\n", format="csv", mode="append", evolve=True)
        self.assertEqual(self.lake.rows("SELECT id, city FROM grow ORDER BY id"), [[1, None], [2, "Rome"]])

    def test_preview_commits_nothing(self):
        body = self.lake.ingest("peek", WORKERS, format="csv", preview=True)
        self.assertEqual(types(body)["age"], "BIGINT")
        self.assertEqual(self.lake.get("/v1/catalog/datasets/peek").status, 404)

    def test_idempotency_key_replays_and_guards(self):
        headers = {"Idempotency-Key": "abc-1"}
        first = self.lake.post("/v1/ingest?dataset=idem&format=csv", b"a\n1\n", headers=headers)
        self.assertEqual(first.status, 201, first)
        second = self.lake.post("/v1/ingest?dataset=idem&format=csv", b"a\n1\n", headers=headers)
        self.assertEqual((second.status, second.body), (first.status, first.body))
        third = self.lake.post("/v1/ingest?dataset=idem&format=csv", b"a\n2\n", headers=headers)
        self.assertEqual(third.status, 422)
        self.assertEqual(self.lake.value("SELECT a FROM idem"), 1)


class Size(IngestCase):
    def test_a_large_stream_keeps_memory_flat(self):
        rows = 400_000
        line = b"%07d,some text that is long enough to make the file big,12345,0.5\n"

        class Stream(io.RawIOBase):
            def __init__(self):
                self.next = -1
                self.buffer = b""

            def read(self, size=-1):
                while len(self.buffer) < size and self.next < rows:
                    if self.next < 0:
                        self.buffer += b"id,text,n,f\n"
                        self.next = 0
                    chunk = b"".join(line % i for i in range(self.next, min(self.next + 5000, rows)))
                    self.next = min(self.next + 5000, rows) if chunk else rows + 1
                    self.buffer += chunk
                    if self.next >= rows:
                        self.next = rows
                        break
                out, self.buffer = self.buffer[:size], self.buffer[size:]
                return out

        body = self.lake.ingest("big", Stream(), format="csv")
        self.assertEqual(body["rows"], rows)
        self.assertEqual(self.lake.rows("SELECT count(*), sum(n), min(id), max(id) FROM big"),
                         [[rows, rows * 12345, "0000000", "%07d" % (rows - 1)]])


    def test_a_wide_file_costs_no_more_than_its_columns(self):
        columns = 400
        data = (",".join(f"c{i}" for i in range(columns)) + "\n" + ",".join("1" for _ in range(columns)) + "\n").encode()
        body = self.lake.ingest("wide", data, format="csv")
        self.assertEqual(len(body["columns"]), columns)
        self.assertEqual(self.lake.rows("SELECT c0 + c399 FROM wide"), [[2]])
        for name, process in self.lake.processes.items():
            with open(f"/proc/{process.popen.pid}/status") as f:
                peak = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) * 1024
            self.assertLess(peak, 1 << 30, name)


if __name__ == "__main__":
    unittest.main()
