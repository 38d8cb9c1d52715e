# The front door. `make help` lists what there is.
#
# Each kind of build has a folder of its own, so that going from one to another rebuilds nothing:
#   build            what `make run` runs            build-test   the same with fault points, for the tests
#   build-asan       address and undefined           build-tsan   threads
#   build-clang      clang, for `make check`         build-fuzz   libFuzzer targets
SHELL := /bin/bash
PYTHON := /usr/bin/python3
LISTEN ?= 127.0.0.1:3100
DATA ?= data

.PHONY: help setup build run test test-unit test-integration test-asan test-tsan test-crash sim check bench bench-vectors fuzz \
	format clean sidecar

help:
	@sed -n 's/^## //p' Makefile

## make run           install what is missing, build, serve on 127.0.0.1:3100 with sample data
run: build
	@scripts/run --listen $(LISTEN) --data $(DATA)

## make build         every program, in build/bin
setup:
	@scripts/setup build
build: setup
	@scripts/build build

## make test          install, build and run the tests: unit, integration in both topologies, faults
test:
	@scripts/setup test
	@scripts/build build-test -DLH_FAULTS=ON
	@$(PYTHON) tests/run.py --build build-test

## make test-unit     only the unit tests
test-unit:
	@scripts/setup test
	@scripts/build build-test -DLH_FAULTS=ON
	@$(PYTHON) tests/run.py --build build-test --only unit

## make test-asan     the whole suite with address and undefined-behaviour sanitizers
test-asan:
	@scripts/setup test
	@scripts/build build-asan -DLH_FAULTS=ON -DLH_SANITIZE=address,undefined
	@$(PYTHON) tests/run.py --build build-asan

## make test-tsan     the threaded parts with the thread sanitizer
test-tsan:
	@scripts/setup test
	@scripts/build build-tsan -DLH_FAULTS=ON -DLH_SANITIZE=thread
	@$(PYTHON) tests/run.py --build build-tsan --only threads

## make test-crash    the long form of the crash loop: 200 kills
test-crash:
	@scripts/setup test
	@scripts/build build-test -DLH_FAULTS=ON
	@$(PYTHON) tests/run.py --build build-test --only crash --rounds 200

## make sim           the simulation of commit, journal and collection: SEEDS (100000) from FROM (1)
sim:
	@scripts/setup test
	@scripts/build build-test -DLH_FAULTS=ON
	@build-test/bin/lh-sim --from $${FROM:-1} --seeds $${SEEDS:-100000}

## make check         formatting, gcc and clang without warnings, clang-tidy, cppcheck, room borders
check:
	@scripts/setup check
	@scripts/check

## make sidecar       install and start the Python sidecar for models, on 127.0.0.1:3180 (sidecar/README.md)
sidecar:
	@scripts/setup sidecar
	@$(PYTHON) -m sidecar

## make fuzz          every fuzz target for FUZZ_SECONDS (60) each
fuzz:
	@scripts/setup check
	@CC=clang CXX=clang++ scripts/build build-fuzz -DLH_FUZZ=ON -DLH_SANITIZE=address,undefined
	@scripts/fuzz build-fuzz $${FUZZ_SECONDS:-60}

## make bench         the table of docs/benchmarks.md, measured here, peers in the same run
bench:
	@scripts/setup bench
	@scripts/build build
	@$(PYTHON) bench/run.py --build build

## make bench-vectors docs/benchmarks-vectors.md: the vector index beside hnswlib, faiss, usearch and LanceDB (an hour)
bench-vectors:
	@scripts/setup bench
	@$(PYTHON) bench/vectors/run.py --faiss --peers --write docs/benchmarks-vectors.md

## make format        clang-format everything
format:
	@git ls-files 'src/*.c' 'src/*.h' 'src/*.cc' 'tests/*.c' | xargs clang-format -i

## make clean         remove what was built
clean:
	rm -rf build build-*
