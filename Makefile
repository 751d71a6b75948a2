# Everything here works on a fresh machine that has Python 3.11 or newer, a C++ compiler and make.
#
#   PYTHON      which Python makes the environment (default: the newest of 3.13, 3.12, 3.11, python3)
#   CXX         the C++ compiler, as CMake reads it
#   ACCEL       what speeds it up: cuda, metal or none (our CPU kernels alone; the default)
#   CMAKE_ARGS  more options for building llama.cpp, such as -DCMAKE_CUDA_ARCHITECTURES=90
#   VENV        where the environment goes (default: .venv; no spaces)
#   ARGS        more arguments for "make test" and "make bench..."

VENV = .venv
BUILD = build
EXAMPLE = village-notebook

BIN = $(VENV)/bin
# MAKEFLAGS is for this make alone, not for one that a build started by pip may run.
PIP = MAKEFLAGS= $(BIN)/python -m pip --disable-pip-version-check
# Files that say which dependencies are installed, and what speeds llama.cpp up.
INSTALLED = $(VENV)/.installed
ACCELERATED = $(VENV)/.accelerated

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup demo test test-gpu gpu-pack torture check smoke bench bench-gpu bench-batches bench-writer bench-commits docs wheel build-default-model clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED)-dev $(ACCELERATED) ## make .venv with everything that developers need

demo: $(INSTALLED)-run $(ACCELERATED) ## embed a real text file and show the first rows of the result
	$(BIN)/llama-cli embed docs/examples/$(EXAMPLE).txt -o $(BUILD)/$(EXAMPLE).parquet --overwrite
	$(BIN)/llama-cli inspect $(BUILD)/$(EXAMPLE).parquet

# Most tests wait for processes of their own, so two at a time take little longer than one.
test: $(INSTALLED)-test $(ACCELERATED) ## run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

test-gpu: $(INSTALLED)-test $(ACCELERATED) ## run the tests of a GPU build; needs a GPU
	$(BIN)/python -m pytest tests/gpu $(ARGS)

torture: $(INSTALLED)-test $(ACCELERATED) ## run the long versions of the tests that kill, fill and damage
	LLAMA_CLI_TORTURE=1 $(BIN)/python -m pytest tests/run tests/engine/worker tests/output $(ARGS)

check: $(INSTALLED)-dev ## run the linter, the formatter's check and the type checker
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The commands are taken from README.md, so that what people paste is what is run here.
smoke: $(INSTALLED)-run $(ACCELERATED) ## run the smoke test that the README shows
	@rm -rf $(BUILD)/smoke && mkdir -p $(BUILD)/smoke
	@sed -n '/^<!-- smoke test -->$$/,/^```$$/p' README.md | sed '/^<!--/d; /^```/d' > $(BUILD)/smoke/test.sh
	@test -s $(BUILD)/smoke/test.sh || { echo "README.md has no smoke test" >&2; exit 1; }
	@PATH="$$(cd $(BIN) && pwd):$$PATH" && cd $(BUILD)/smoke && sh test.sh

bench: $(INSTALLED)-bench $(ACCELERATED) ## measure it against its peers, for half an hour
	$(BIN)/python -m tests.benchmarks.bench_embed $(ARGS)

bench-gpu: $(INSTALLED)-test $(ACCELERATED) ## measure a GPU build; needs a GPU
	$(BIN)/python -m tests.benchmarks.bench_gpu $(ARGS)

bench-batches: $(INSTALLED)-run $(ACCELERATED) ## measure how batches, contexts and threads matter
	$(BIN)/python -m tests.benchmarks.bench_batches $(ARGS)

bench-writer: $(INSTALLED)-run ## measure how fast the writer alone is
	$(BIN)/python tests/benchmarks/bench_writer.py $(ARGS)

bench-commits: $(INSTALLED)-run $(ACCELERATED) ## measure what committing and finishing cost
	$(BIN)/python -m tests.benchmarks.bench_commits $(ARGS)

docs: $(INSTALLED)-test ## write the parts of the documents that are taken from the code
	$(BIN)/python -m tests.docs.generate

gpu-pack: $(INSTALLED)-run ## pack the two for a GPU machine without a network
	$(BIN)/python -m tests.gpu.pack $(ARGS)

wheel: $(INSTALLED)-run ## build the wheel into dist/
	$(PIP) wheel -qq --no-deps -w dist .

build-default-model: $(INSTALLED)-test ## rebuild the packaged model from its published weights
	$(BIN)/python -m llama_cli.models.builtin.build

clean: ## remove what these commands made, but not .venv
	rm -rf $(BUILD) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find llama_cli tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- The environment ---------------------------------------------------------------------------

# A name counts only if it runs: a pyenv shim of a version that is not active fails, and Debian's
# python3 lacks ensurepip until python3-venv is installed.
IS_USABLE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHONS = $(if $(PYTHON),'$(PYTHON)',python3.13 python3.12 python3.11 python3)
FIND_PYTHON = for python in $(PYTHONS); do \
	"$$python" -c '$(IS_USABLE)' >/dev/null 2>&1 && echo "$$python" && break; done
NO_PYTHON = $(if $(PYTHON),PYTHON=$(PYTHON) cannot be used,no usable Python found): install Python \
	3.11 or newer with its venv module (python3-venv on Debian), or set PYTHON

MY_CXX = $(if $(filter default,$(origin CXX)),,$(CXX))
CXXES = $(if $(MY_CXX),'$(MY_CXX)',c++ g++ clang++)
FIND_CXX = for cxx in $(CXXES); do \
	echo '\#include <thread>' | $$cxx -x c++ -fsyntax-only - >/dev/null 2>&1 && echo "$$cxx" && break; done
NO_CXX = $(if $(MY_CXX),CXX=$(MY_CXX) does not compile C++,no C++ compiler found): install g++ or \
	clang, or set CXX

# The environment is made anew when its Python is gone, or when making it was cut short.
ifneq ($(shell test -x $(BIN)/python && test -x $(BIN)/pip && echo whole),whole)
.PHONY: $(VENV)/pyvenv.cfg
endif

# Both are looked for before anything is made; only what is an environment already is cleared.
$(VENV)/pyvenv.cfg:
	@'$(or $(shell $(FIND_PYTHON)),$(error $(NO_PYTHON)))' -m venv $(if $(wildcard $@),--clear) $(VENV)
	@: $(or $(shell $(FIND_CXX)),$(error $(NO_CXX)))

# More than the package itself: [test] for running the tests, [dev] for the checks as well, [bench]
# for the peers of the benchmark, which are large.
$(INSTALLED)-test: EXTRA = [test]
$(INSTALLED)-dev: EXTRA = [dev]
$(INSTALLED)-bench: EXTRA = [bench]
$(INSTALLED)-test: INCLUDED = $(INSTALLED)-run
$(INSTALLED)-bench: INCLUDED = $(INSTALLED)-run
$(INSTALLED)-dev: INCLUDED = $(INSTALLED)-run $(INSTALLED)-test

$(INSTALLED)-run $(INSTALLED)-test $(INSTALLED)-dev $(INSTALLED)-bench: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing llama-cli-embed$(EXTRA) into $(VENV)"
	@ls -d $(VENV)/lib/python*/site-packages/llama_cpp >/dev/null 2>&1 || \
		echo "The first time llama.cpp is compiled, which takes several minutes"
	@$(PIP) install -qq -c constraints.txt -e '.$(EXTRA)'
	@touch $(INCLUDED) $@

# --- What speeds it up -------------------------------------------------------------------------

# Without ACCEL it stays what it is.
ACCELS = none cuda metal
WAS = $(filter $(ACCELS),$(shell cat $(ACCELERATED) 2>/dev/null))
CHOSEN := $(or $(ACCEL),$(WAS),none)
ifneq ($(ACCEL),$(filter $(ACCELS),$(ACCEL)))
$(error ACCEL=$(ACCEL): it may be $(ACCELS))
endif

ifneq ($(CHOSEN),$(WAS))
.PHONY: $(ACCELERATED)
endif

# Kernels for the CPU, compiled for the llama.cpp that is installed. They do not have to be there.
KERNELS = $(wildcard $(addprefix llama_cli/engine/kernels/,*.cpp *.h *.py))
LLAMA_CPP = $(wildcard $(VENV)/lib/python*/site-packages/llama_cpp_python-*.dist-info/RECORD)
$(ACCELERATED): $(VENV)/pyvenv.cfg constraints.txt $(KERNELS) $(LLAMA_CPP)
	@echo "$(CHOSEN)" > $@
	@test "$$(uname)" != Linux || $(BIN)/python -m llama_cli.engine.kernels.build || \
		touch -t 200001010000 $@  # to be tried again next time

CMAKE_cuda = -DGGML_CUDA=on
CMAKE_metal = -DGGML_METAL=on
ifneq ($(CMAKE_$(CHOSEN)),)
override CMAKE_ARGS := $(strip $(CMAKE_ARGS) $(CMAKE_$(CHOSEN)))
export CMAKE_ARGS
endif

# With CMAKE_ARGS llama.cpp is built apart, and again when they change: pip would otherwise take
# any earlier build from its cache, and keep this one there for everybody else. Without them, and
# with ACCEL, an earlier build of that kind is replaced by the usual one.
BUILT_WITH = $(VENV)/.cmake-args
BUILT_BEFORE = $(shell cat $(BUILT_WITH) 2>/dev/null)
ifneq ($(CMAKE_ARGS)$(if $(ACCEL),$(BUILT_BEFORE)),)
$(INSTALLED)-run $(INSTALLED)-test $(INSTALLED)-dev $(INSTALLED)-bench $(ACCELERATED): $(BUILT_WITH)
ifneq ($(CMAKE_ARGS),$(BUILT_BEFORE))
.PHONY: $(BUILT_WITH)
endif
$(BUILT_WITH): $(VENV)/pyvenv.cfg constraints.txt
	@echo "Building llama.cpp with CMAKE_ARGS=$(CMAKE_ARGS), which takes several minutes"
	@$(PIP) install -qq $(if $(CMAKE_ARGS),--no-cache-dir) --force-reinstall -c constraints.txt \
		--no-deps llama-cpp-python
	@printf '%s\n' "$(CMAKE_ARGS)" > $@
endif
