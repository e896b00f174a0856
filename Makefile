# Front door; CMake does the building. `make demo` and `make test` set up everything that is missing first.
BUILD ?= build
CMAKE_FLAGS ?=
.DEFAULT_GOAL := build
.PHONY: build demo test test-asan test-isa fuzz interop bench bench-kernels bench-export clean

build:
	@sh tools/setup.sh build
	@cmake -S . -B $(BUILD) -G Ninja $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD)

demo: build
	@sh tools/setup.sh trace
	@sh tools/demo.sh $(BUILD)

test: build
	@sh tools/setup.sh trace
	@sh tests/run.sh $(BUILD)

# The C tests under AddressSanitizer and UndefinedBehaviorSanitizer.
test-asan:
	@sh tools/setup.sh build
	@cmake -S . -B $(BUILD)-asan -G Ninja -DETCH_SANITIZE=ON -DETCH_TRACE=OFF >/dev/null
	@cmake --build $(BUILD)-asan
	@$(BUILD)-asan/etch-tests

# Kernel families on instruction sets that this machine lacks, emulated.
test-isa:
	@sh tools/setup.sh isa
	@sh tools/isa/run.sh $(BUILD)

# Every fuzz target for FUZZ_SECONDS; FUZZ_SEED=N repeats a run (0: another one each time).
FUZZ_SECONDS ?= 60
FUZZ_SEED ?= 0
export FUZZ_SEED
fuzz:
	@sh tools/setup.sh fuzz
	@CC=clang cmake -S . -B $(BUILD)-fuzz -G Ninja -DETCH_FUZZ=ON -DETCH_TRACE=OFF >/dev/null
	@cmake --build $(BUILD)-fuzz
	@sh tools/fuzz.sh $(BUILD)-fuzz $(FUZZ_SECONDS)

interop: build
	@sh tools/setup.sh trace
	@sh tools/setup.sh official
	@sh tests/interop.sh $(BUILD)

# Against the official exporter, on the shipped example (minutes). BENCH_ARGS: see bench/export.py --help.
bench-export: build
	@sh tools/setup.sh trace
	@sh tools/setup.sh exporter
	@.venv/bin/python3 bench/export.py $(BENCH_ARGS)

# Against the official runtime, llama.cpp and PyTorch eager, in pairs in one run (many minutes the first time: llama.cpp is built).
# PEERS: shapes and flags, see bench/peers/run.py --help.
PEERS ?= smollm2-135m vit-base mobilevit bert-base whisper-tiny
bench: build
	@sh tools/setup.sh trace
	@sh tools/setup.sh official
	@.venv-official/bin/python3 bench/peers/run.py $(PEERS)

# Kernel families alone, data in the cache: CPU seconds of one thread.
bench-kernels: build
	@cmake --build $(BUILD) --target bench-kernels

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-fuzz
