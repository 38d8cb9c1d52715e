"""A Ceph object store of its own for tests: one monitor, one OSD that keeps everything in memory, one RADOS Gateway.

    with Ceph() as ceph:
        ceph.endpoint, ceph.access_key_id, ceph.secret_access_key
        ceph.bucket("lake")                # makes it
        ceph.user("second", max_bytes=1 << 20)

All of it lives in a temporary folder and listens on loopback only; no part of the machine's own Ceph is read or written, and
nothing of systemd is needed. Runs as root or as any user. `python3 tests/harness/ceph.py` starts one and waits for Ctrl-C.
"""

import atexit
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import uuid

START_TIMEOUT_S = 120
PROGRAMS = ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool", "ceph"]

CONFIG = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon_port}/0]
mon_initial_members = a
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = {folder}
log_file = {folder}/$name.log
admin_socket = {folder}/$name.asok
pid_file = {folder}/$name.pid
keyring = {folder}/keyring
crash_dir = {folder}/crash
ms_cluster_mode = crc
ms_service_mode = crc
ms_client_mode = crc
ms_mon_cluster_mode = crc
ms_mon_service_mode = crc
ms_mon_client_mode = crc
ms_bind_ipv4 = true
ms_bind_ipv6 = false
ms_bind_port_min = {port_min}
ms_bind_port_max = {port_max}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000

[mon]
mon_data = {folder}/mon
mon_cluster_log_file = {folder}/cluster.log
mon_data_avail_crit = 1
mon_data_avail_warn = 2
paxos_propose_interval = 0.02
paxos_min_wait = 0.01

[osd]
osd_data = {folder}/osd.$id
osd_objectstore = memstore
memstore_device_bytes = {memory_bytes}
osd_max_object_name_len = 2048
osd_class_load_list = *
osd_class_default_list = *

[client]
# Without it head and body of a short answer wait for each other's acknowledgement, 40 ms.
rgw_frontends = beast endpoint=127.0.0.1:{rgw_port} tcp_nodelay=1
rgw_data = {folder}/rgw
rgw_dns_name = localhost
rgw_enable_usage_log = false
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
rgw_enable_quota_threads = false
rgw_dynamic_resharding = false
rgw_run_sync_thread = false
rgw_cache_enabled = true
rgw_bucket_quota_ttl = 0
rgw_user_quota_bucket_sync_interval = 1
rgw_override_bucket_index_max_shards = 1
rgw_thread_pool_size = 64
"""


def missing():
    """Names of the programs that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]


def search_path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Ceph:
    def __init__(self, memory_bytes=2 << 30):
        self.memory_bytes = memory_bytes
        self.processes = []
        self.folder = None
        self.access_key_id = self.secret_access_key = None

    # ---- start and stop ----

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.folder = tempfile.mkdtemp(prefix="lakehouse-ceph-")
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self):
        self.fsid = str(uuid.uuid4())
        self.mon_port, self.rgw_port = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.rgw_port}"
        self.config = os.path.join(self.folder, "ceph.conf")
        for name in ("mon", "osd.0", "rgw", "crash"):
            os.mkdir(os.path.join(self.folder, name))
        open(os.path.join(self.folder, "keyring"), "w").close()
        port_min = 20000 + os.getpid() % 200 * 200
        with open(self.config, "w") as f:
            f.write(CONFIG.format(folder=self.folder, fsid=self.fsid, mon_port=self.mon_port, rgw_port=self.rgw_port,
                                  memory_bytes=self.memory_bytes, port_min=port_min, port_max=port_min + 199))
        self._monitor()
        self._osd()
        self._gateway()

    def _monitor(self):
        monmap = os.path.join(self.folder, "monmap")
        self.run("monmaptool", "--create", "--clobber", "--fsid", self.fsid, "--addv", "a", f"[v2:127.0.0.1:{self.mon_port}]",
                 "--set-min-mon-release", "pacific", monmap)
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self.spawn("ceph-mon", "-f", "-i", "a")
        self.wait(lambda: self.ceph("status"), "the monitor")

    def _osd(self):
        osd = str(uuid.uuid4())
        self.run("ceph", "osd", "new", osd, "0")
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.spawn("ceph-osd", "-f", "-i", "0")
        self.wait(lambda: self.ceph("osd", "stat").get("num_up_osds") == 1, "the OSD")

    def _gateway(self):
        keys = self.user("lakehouse")
        self.access_key_id, self.secret_access_key = keys
        self.spawn("radosgw", "-f", "--name", "client.rgw")
        self.wait(self._answers, "the gateway")

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.rgw_port), 1):
                return True
        except OSError:
            return False

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        self.processes = []
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    # ---- programs ----

    def environment(self):
        return {"PATH": search_path(), "CEPH_CONF": self.config, "LANG": "C.UTF-8", "HOME": self.folder,
                "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, name, *args, check=True):
        done = subprocess.run([name, "-c", self.config, *args] if name != "monmaptool" else [name, *args],
                              env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.folder, timeout=START_TIMEOUT_S)
        if check and done.returncode != 0:
            raise AssertionError(f"{name} {' '.join(args)}: {done.stderr.decode(errors='replace')[-2000:]}")
        return done

    def spawn(self, name, *args):
        log = open(os.path.join(self.folder, f"{name}.out"), "ab")
        self.processes.append(subprocess.Popen([name, "-c", self.config, *args], env=self.environment(),
                                               stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                               start_new_session=True))
        log.close()

    def ceph(self, *args):
        done = self.run("ceph", "--connect-timeout", "10", "--format", "json", *args, check=False)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else {}

    def wait(self, condition, what):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not condition():
            for process in self.processes:
                if process.poll() is not None:
                    raise AssertionError(f"{process.args[0]} ended with {process.returncode} while starting {what}\n{self.logs()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"gave up waiting for {what}\n{self.logs()}")
            time.sleep(0.02)

    def logs(self):
        texts = []
        for name in sorted(os.listdir(self.folder)):
            if name.endswith((".out", ".log")):
                with open(os.path.join(self.folder, name), "rb") as f:
                    texts.append(f"== {name}\n" + f.read()[-2000:].decode(errors="replace"))
        return "\n".join(texts)

    # ---- what tests ask for ----

    def admin(self, *args):
        return json.loads(self.run("radosgw-admin", "--name", "client.rgw", *args).stdout or b"{}")

    def user(self, name, max_bytes=None):
        """Makes a user and gives its access key and secret; `max_bytes` is a quota."""
        key = self.admin("user", "create", "--uid", name, "--display-name", name)["keys"][0]
        if max_bytes is not None:
            self.run("radosgw-admin", "--name", "client.rgw", "quota", "set", "--quota-scope", "user", "--uid", name,
                     "--max-size", str(max_bytes))
            self.run("radosgw-admin", "--name", "client.rgw", "quota", "enable", "--quota-scope", "user", "--uid", name)
        return key["access_key"], key["secret_key"]

    def request(self, method, path, body=b"", headers=None, keys=None, query=""):
        """One signed request, so that tests have a second opinion beside the code they test."""
        access, secret = keys or (self.access_key_id, self.secret_access_key)
        return signed_request(self.endpoint, access, secret, method, path, body, headers, query)

    def bucket(self, name, keys=None):
        status, _, body = self.request("PUT", f"/{name}", keys=keys)
        assert status == 200, (status, body)
        return name


_shared = None


def shared():
    """One Ceph for all tests of a run: started when it is first asked for, stopped when the run ends."""
    global _shared
    if _shared is None:
        _shared = Ceph()
        _shared.start()
        atexit.register(_shared.stop)
    return _shared


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signed_request(endpoint, access, secret, method, path, body=b"", headers=None, query="", region="us-east-1"):
    host = endpoint.split("://")[1]
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    payload = hashlib.sha256(body).hexdigest()
    fields = {"host": host, "x-amz-content-sha256": payload, "x-amz-date": stamp}
    fields.update({k.lower(): v for k, v in (headers or {}).items()})
    encoded = urllib.parse.quote(path, safe="/~")
    pairs = sorted(tuple((p.split("=", 1) + [""])[:2]) for p in query.split("&") if p)
    names = ";".join(sorted(fields))
    canonical = "\n".join([method, encoded, "&".join(f"{k}={v}" for k, v in pairs),
                           "".join(f"{k}:{fields[k].strip()}\n" for k in sorted(fields)), names, payload])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = sign(sign(sign(sign(("AWS4" + secret).encode(), stamp[:8]), region), "s3"), "aws4_request")
    fields["authorization"] = (f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={names}, "
                               f"Signature={sign(key, text).hex()}")
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        connection.request(method, encoded + ("?" + query if query else ""), body, fields)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


if __name__ == "__main__":
    with Ceph() as running:
        print(json.dumps({"endpoint": running.endpoint, "access_key_id": running.access_key_id,
                          "secret_access_key": running.secret_access_key}), flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
