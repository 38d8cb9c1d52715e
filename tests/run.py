#!/usr/bin/python3
"""Runs the tests and ends with one line `N passed, N failed`.

    tests/run.py --build build-test [--only unit|integration|readers|crash|threads] [--rounds N] [--match TEXT]

unit          every cmocka program of the build
readers       what we write is read back by independent readers (node)
integration   tests/integration/test_*.py over the real programs, in one process and apart
crash         tests/fault/crash_loop.py: kill -9 at random moments (20 rounds unless told)
threads       the unit tests and integration scripts that matter under the thread sanitizer
"""

import argparse
import concurrent.futures
import importlib.util
import os
import re
import subprocess
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", "harness"), os.path.join(ROOT, "tests", "integration")]

# Unit programs without threads of their own have nothing to tell the thread sanitizer.
THREADED = re.compile(r"(metrics|config|fault|call|server|client|mesh|bucket|local|append_log|store|"
                      r"journal|catalog|commit|client|failures|idempotency|rate|host|bm25|lsa|bridge|"
                      r"vector_cache|threads|rounds)")


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.failures = []

    def add(self, passed, failed, names=()):
        self.passed += passed
        self.failed += failed
        self.failures.extend(names)


def sanitizer_environment():
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS", "detect_container_overflow=0")
    env.setdefault("LSAN_OPTIONS", "suppressions=" + os.path.join(ROOT, "tests", "lsan.supp"))
    env.setdefault("TSAN_OPTIONS", "suppressions=" + os.path.join(ROOT, "tests", "tsan.supp"))
    return env


def run_unit_program(path):
    start = time.monotonic()
    try:
        done = subprocess.run([path], cwd=ROOT, env=sanitizer_environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
        code, output = done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        code, output = -1, (late.stdout or b"").decode(errors="replace") + "\n(timed out)\n"
    return path, code, output, time.monotonic() - start


def run_unit(build, tally, match, threads_only=False):
    folder = os.path.join(build, "tests")
    names = sorted(n for n in os.listdir(folder) if os.path.isfile(os.path.join(folder, n)) and os.access(os.path.join(folder, n), os.X_OK))
    names = [n for n in names if match in n and (not threads_only or THREADED.search(n))]
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for path, code, output, seconds in pool.map(run_unit_program, [os.path.join(folder, n) for n in names]):
            name = os.path.basename(path)
            passed = len(re.findall(r"^\[       OK \]", output, re.M))
            failed = len(set(re.findall(r"^\[  FAILED  \] (\w+)", output, re.M) +
                             re.findall(r"^\[  ERROR   \] --- .*$", output, re.M)[:0]))
            if code != 0 and failed == 0:
                failed = 1
            tally.add(passed, failed, [f"unit {name}"] if failed else [])
            print(f"unit {name}: {passed} passed, {failed} failed ({seconds:.1f} s)", flush=True)
            if failed:
                print(output[-6000:], flush=True)


class Result(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        self.started_at = time.monotonic()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.successes = getattr(self, "successes", 0) + 1


def load_script(path):
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_scripts(folder, tally, match, kinds, names=None):
    for kind in kinds:
        os.environ["LAKEHOUSE_TOPOLOGY"] = kind
        for file in sorted(os.listdir(folder)):
            if not (file.startswith("test_") and file.endswith(".py")):
                continue
            if names and file not in names:
                continue
            start = time.monotonic()
            module = load_script(os.path.join(folder, file))
            if kind == "apart" and getattr(module, "ONE_TOPOLOGY_ONLY", False):
                continue
            suite = unittest.defaultTestLoader.loadTestsFromModule(module)
            if match:
                suite = unittest.TestSuite(t for group in suite for t in group if match in t.id())
                if not suite.countTestCases():
                    continue
            runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=0, resultclass=Result)
            result = runner.run(suite)
            bad = result.failures + result.errors
            passed = getattr(result, "successes", 0)
            label = f"{os.path.basename(folder)} {file} [{kind}]"
            tally.add(passed, len(bad), [f"{label} {test}" for test, _ in bad])
            for test, why in result.skipped:
                print(f"skipped {test}: {why}")
            print(f"{label}: {passed} passed, {len(bad)} failed ({time.monotonic() - start:.1f} s)", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build-test")
    parser.add_argument("--only", default="")
    parser.add_argument("--match", default="")
    parser.add_argument("--rounds", default="20")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    os.environ["LAKEHOUSE_BUILD"] = build
    os.environ["LAKEHOUSE_CRASH_ROUNDS"] = options.rounds
    tally = Tally()
    wanted = lambda part: options.only in ("", part)
    tests = os.path.join(ROOT, "tests")
    if wanted("unit"):
        run_unit(build, tally, options.match)
    if wanted("readers"):
        run_scripts(os.path.join(tests, "readers"), tally, options.match, ["one"])
    if wanted("integration"):
        run_scripts(os.path.join(tests, "integration"), tally, options.match, ["one", "apart"])
    if wanted("crash"):
        run_scripts(os.path.join(tests, "fault"), tally, options.match, ["one"])
    if options.only == "threads":
        run_unit(build, tally, options.match, threads_only=True)
        run_scripts(os.path.join(tests, "integration"), tally, options.match, ["one"],
                    names=["test_concurrency.py", "test_s3_door.py", "test_vectors.py", "test_vector_builds.py", "test_answers.py",
                           "test_models.py", "test_rescue.py"])
    for name in tally.failures:
        print(f"FAILED {name}")
    if tally.passed + tally.failed == 0:
        print("no test ran")
        tally.failed = 1
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
