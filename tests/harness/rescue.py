"""Filling a rescue bucket, and damaging what it stands in for."""

import json
import os
import subprocess

from lake import program


def replicate(lake, *args, expect=0):
    """The verb of the command line against the running server; its JSON."""
    done = subprocess.run([program("lakehouse"), "replicate", "--url", lake.url, "--output", "json", *args],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if done.stdout else done.stderr.decode()


def damage(path):
    with open(path, "r+b") as f:
        first = f.read(1)
        f.seek(0)
        f.write(bytes([first[0] ^ 1]))


def only_data_file(lake, dataset):
    folder = lake.bucket_path(f"_data/{dataset}")
    (name,) = os.listdir(folder)
    return os.path.join(folder, name), f"_data/{dataset}/{name}"
