"""Vector indexes through the public edge."""

import unittest

from lake import Lake

INDEXES = "/v1/vectors/indexes"


class VectorCase(unittest.TestCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        cls.lake = Lake(config=cls.CONFIG)
        cls.lake.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.lake.__exit__(None, None, None)

    def create(self, name, expect=201, **body):
        body = {"name": name, "dimension": 4, "metric": "cosine", **body}
        answer = self.lake.post(INDEXES, body)
        self.assertEqual(answer.status, expect, answer)
        return answer.json

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["code"]), (status, code), answer)


class Indexes(VectorCase):
    def test_an_index_is_made_described_listed_and_removed(self):
        made = self.create("made", dimension=8, metric="l2", m=24, ef_construction=100, quantization="int8")
        got = self.lake.get(f"{INDEXES}/made").json
        self.assertEqual((got["dimension"], got["metric"], got["generation"]), (8, "l2", 1))
        self.assertEqual(got["parameters"], {"m": 24, "ef_construction": 100, "ef_search": None, "quantization": "int8"})
        self.assertEqual(made["created_at"], got["created_at"])
        self.assertIn("made", [i["name"] for i in self.lake.get(INDEXES).json["indexes"]])
        self.refused(self.lake.post(INDEXES, {"name": "made", "dimension": 8, "metric": "l2"}), 409, "vectors.index_exists")
        self.assertEqual(self.lake.request("DELETE", f"{INDEXES}/made").status, 204)
        self.refused(self.lake.get(f"{INDEXES}/made"), 404, "vectors.unknown_index")
        self.refused(self.lake.request("DELETE", f"{INDEXES}/made"), 404, "vectors.unknown_index")
        events = self.lake.get("/v1/journal?entity=made").json["events"]
        self.assertEqual([e["action"] for e in events], ["index.deleted", "index.created"])

    def test_the_list_comes_in_pages(self):
        for name in ("page_a", "page_b", "page_c"):
            self.create(name)
        names, cursor = [], ""
        while True:
            page = self.lake.get(f"{INDEXES}?limit=2&cursor={cursor}").json
            names += [i["name"] for i in page["indexes"]]
            cursor = page.get("next_cursor")
            if not cursor:
                break
        self.assertEqual([n for n in names if n.startswith("page_")], ["page_a", "page_b", "page_c"])

    def test_what_makes_no_sense_is_refused_and_named(self):
        good = {"name": "bad", "dimension": 4, "metric": "cosine"}
        for change, code in (({"name": "1a"}, "vectors.name"), ({"name": "a/b"}, "vectors.name"), ({"dimension": 0}, "vectors.dimension"),
                             ({"dimension": 16385}, "vectors.dimension"), ({"dimension": "4"}, "request.field_type"),
                             ({"metric": "hamming"}, "vectors.metric"), ({"m": 3}, "vectors.parameters"),
                             ({"quantization": "int2"}, "vectors.parameters"), ({"shards": 3}, "request.field_unknown")):
            self.refused(self.lake.post(INDEXES, {**good, **change}), 400, code)
        for field in good:
            answer = self.lake.post(INDEXES, {k: v for k, v in good.items() if k != field})
            self.refused(answer, 400, "request.field_missing")
            self.assertIn(field, answer.json["detail"])


class Edge(unittest.TestCase):
    def test_a_reader_may_look_and_not_change(self):
        config = '[[token]]\nname = "r"\nsecret = "reader-token-0123456789"\nmay_write = false\n'
        with Lake(config=config) as lake:
            headers = {"Authorization": "Bearer reader-token-0123456789"}
            self.assertEqual(lake.get(INDEXES).status, 401)
            self.assertEqual(lake.get(INDEXES, headers=headers).json, {"indexes": []})
            answer = lake.post(INDEXES, {"name": "a", "dimension": 4, "metric": "l2"}, headers=headers)
            self.assertEqual((answer.status, answer.json["code"]), (403, "auth.read_only"))


if __name__ == "__main__":
    unittest.main()
