# The front door. `make help` lists what there is.
BUILD ?= build
CMAKE_FLAGS ?=

.PHONY: help setup build test clean
help:
	@sed -n 's/^## //p' Makefile

## make setup         install what is missing (Debian packages and npm packages)
setup:
	@scripts/setup

$(BUILD)/build.ninja: CMakeLists.txt cmake/*.cmake
	@cmake -S . -B $(BUILD) -G Ninja $(CMAKE_FLAGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

## make build         every program, in build/bin
build: setup $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

## make clean         remove what was built
clean:
	rm -rf build build-*
