"""What happens when the disk is full, a folder cannot be written, bytes rot, clients stall, and faults strike at each step."""

import json
import os
import socket
import subprocess
import time
import unittest
import urllib.parse

from lake import Lake, topology, wait_until


def mount_tmpfs(path, size):
    os.makedirs(path, exist_ok=True)
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
                          stderr=subprocess.DEVNULL).returncode == 0


class DiskFull(unittest.TestCase):
    def test_a_full_disk_refuses_and_loses_nothing(self):
        lake = Lake()
        if not mount_tmpfs(lake.data, "24m"):
            lake.remove()
            self.skipTest("a tmpfs cannot be mounted here")
        try:
            with lake:
                lake.ingest("small", b"v\n1\n", format="csv")
                data = b"v\n" + b"".join(b"%d\n" % (i * 7919) for i in range(4_000_000))
                answer = lake.post("/v1/ingest?dataset=large&format=csv", data)
                self.assertEqual(answer.status, 507, answer)
                self.assertEqual(lake.get("/v1/catalog/datasets/large").status, 404)
                self.assertEqual(lake.value("SELECT v FROM small"), 1)
                rows = lake.get("/v1/errors").json["errors"]
                self.assertTrue(rows)
                lake.ingest("after", b"v\n2\n", format="csv")
                self.assertEqual(lake.value("SELECT v FROM after"), 2)
        finally:
            subprocess.run(["umount", "-l", lake.data], stderr=subprocess.DEVNULL)
            lake.remove()


class Faults(unittest.TestCase):
    """Named points fail once; the answer is an error, nothing is half there, and the repeated request succeeds."""

    POINTS = ("ingest.after_spool", "ingest.after_convert", "ingest.after_data_put", "catalog.commit.before_put",
              "store.put.before_write", "store.put.before_fsync", "store.put.before_rename", "journal.add.before_put")

    def test_an_error_at_each_step_leaves_no_half_version(self):
        for point in self.POINTS:
            with self.subTest(point):
                with Lake() as lake:
                    lake.ingest("t", b"v\n1\n", format="csv")
                    lake.restart(faults=f"{point}=error@1")
                    answer = lake.post("/v1/ingest?dataset=t&format=csv", b"v\n2\n")
                    first = answer.status
                    rows = lake.rows("SELECT v FROM t")
                    self.assertIn(rows, ([[1]], [[2]]))
                    # Each process of the house fails once.
                    for _ in range(len(lake.processes)):
                        again = lake.post("/v1/ingest?dataset=t&format=csv", b"v\n2\n")
                        if again.status < 300:
                            break
                    self.assertIn(again.status, (200, 201), again)
                    self.assertEqual(lake.rows("SELECT v FROM t"), [[2]])
                    self.assertGreaterEqual(first, 200)
                    versions = lake.get("/v1/catalog/datasets/t/versions").json["versions"]
                    self.assertEqual(sorted(v["version"] for v in versions), [1, 2])

    def test_a_kill_at_each_step_is_repaired_by_asking_again(self):
        points = self.POINTS + ("catalog.commit.after_put", "catalog.commit.after_event", "ingest.after_commit",
                                "store.put.after_rename")
        for point in points:
            with self.subTest(point):
                lake = Lake()
                try:
                    lake.start()
                    lake.ingest("t", b"v\n1\n", format="csv", mode="append")
                    lake.restart(faults=f"{point}=kill@1")
                    try:
                        lake.post("/v1/ingest?dataset=t&format=csv&mode=append", b"v\n2\n")
                    except OSError:
                        pass
                    except Exception as e:  # the connection broke mid-answer
                        self.assertIn("http", type(e).__module__, e)
                    lake.kill()
                    lake.start()
                    lake.ingest("t", b"v\n2\n", format="csv", mode="append")
                    self.assertEqual(lake.rows("SELECT v FROM t ORDER BY v"), [[1], [2]])
                    versions = [v["version"] for v in lake.get("/v1/catalog/datasets/t/versions").json["versions"]]
                    self.assertEqual(sorted(versions), [1, 2])
                    committed = wait_until(lambda: [e for e in lake.get("/v1/journal?entity=t").json["events"]
                                                    if e["action"] == "version.committed"][1:], what="both events")
                    self.assertEqual(len(committed), 1)
                finally:
                    lake.stop()
                    lake.remove()


class Clients(unittest.TestCase):
    def test_stalling_clients_do_not_hold_the_others_up(self):
        with Lake(config='[http]\nidle_timeout = "2s"\n') as lake:
            host = urllib.parse.urlparse(lake.url)
            stalled = []
            for _ in range(50):
                s = socket.create_connection((host.hostname, host.port))
                s.sendall(b"POST /v1/ingest?dataset=slow&format=csv HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\na,b\n")
                stalled.append(s)
            start = time.monotonic()
            self.assertEqual(lake.get("/healthz").status, 200)
            self.assertLess(time.monotonic() - start, 2)
            for s in stalled:
                s.settimeout(60)
                try:
                    while s.recv(4096):
                        pass
                except ConnectionError:
                    pass
                s.close()
            wait_until(lambda: lake.post("/v1/sql", {"sql": "SELECT 1"}).status == 200, what="SQL to be answered again")
            self.assertEqual(lake.get("/v1/catalog/datasets/slow").status, 404)

    def test_a_reader_that_stops_reading_is_let_go(self):
        with Lake(config='[http]\nidle_timeout = "2s"\n') as lake:
            host = urllib.parse.urlparse(lake.url)
            body = json.dumps({"sql": "SELECT repeat('x', 1000) AS x FROM range(200000)"}).encode()
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect((host.hostname, host.port))
            s.sendall(b"POST /v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/csv\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            s.recv(1000)
            wait_until(lambda: not [q for q in lake.get("/v1/sql").json["queries"] if "repeat" in q["sql"]],
                       timeout=60, what="the query of the stalled reader to end")
            s.close()


@unittest.skipUnless(os.geteuid() == 0, "needs chattr")
class ReadOnly(unittest.TestCase):
    def test_a_folder_that_cannot_be_written_still_answers_reads(self):
        lake = Lake()
        if not mount_tmpfs(lake.data, "64m"):
            lake.remove()
            self.skipTest("a tmpfs cannot be mounted here")
        try:
            with lake:
                lake.ingest("t", b"v\n1\n", format="csv")
                subprocess.run(["mount", "-o", "remount,ro", lake.data], check=True)
                self.assertEqual(lake.value("SELECT v FROM t"), 1)
                answer = lake.post("/v1/ingest?dataset=u&format=csv", b"v\n1\n")
                self.assertGreaterEqual(answer.status, 400)
                self.assertEqual(answer.headers["content-type"], "application/problem+json")
                self.assertEqual(lake.get("/readyz").status, 503)
                subprocess.run(["mount", "-o", "remount,rw", lake.data], check=True)
                lake.ingest("u", b"v\n1\n", format="csv")
        finally:
            subprocess.run(["umount", "-l", lake.data], stderr=subprocess.DEVNULL)
            lake.remove()


if __name__ == "__main__":
    unittest.main()
