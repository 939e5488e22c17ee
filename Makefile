# `make test` and `make demo` need Python 3.11 or newer, a C compiler and make; the rest is set up in .venv.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

SOURCES := $(shell find wyrm -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.h')
FOLDERS := $(wildcard wyrm models tests benchmarks examples docs)
CODE := setup.py $(filter-out docs,$(FOLDERS))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help test test-all demo lint format types isa bench bench-peers bench-suite bench-check bench-baseline bench-compare sanitize sanitize-thread sdist wheel build clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; name it: make PYTHON=/path/to/python"; exit 1; }
	@echo "Setting up $(VENV) and compiling: a few minutes, once."
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python -m venv failed (Debian: apt install python3-venv)"; exit 1; }

# The packages that building needs go into the same environment, so nothing is downloaded or compiled twice.
$(VENV)/installed: pyproject.toml setup.py wyrm/_version.py | $(VENV)/bin/python
	$(PY) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" \
		> $(VENV)/build-requires.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/build-requires.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[dev]'
	@touch $@ $(VENV)/built

$(VENV)/built: $(VENV)/installed $(SOURCES)
	$(PY) setup.py --quiet build_ext --inplace
	@touch $@

build: $(VENV)/built  ## compile what changed, in place

test: $(VENV)/built  ## the fast tests
	$(PY) -m pytest $(ARGS)

test-all: $(VENV)/built  ## every test, the slow ones too
	$(PY) -m pytest -m "" $(ARGS)

demo: $(VENV)/built  ## train on the Adult data: a table, plots, saved models, in demo/
	$(PY) examples/demo.py $(ARGS)

lint: $(VENV)/installed  ## ruff and cython-lint
	$(PY) -m ruff check $(CODE)
	$(PY) -m ruff format --check $(CODE)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cython-lint $(filter-out docs tests models,$(FOLDERS))

format: $(VENV)/installed  ## let ruff mend and format
	$(PY) -m ruff check --fix $(CODE)
	$(PY) -m ruff format $(CODE)

# Checked as it is installed, with models/ in its place as wyrm.models.
types: $(VENV)/built  ## mypy, and the stubs against the compiled modules
	rm -rf build/types && mkdir -p build/types
	cp -R wyrm build/types/wyrm && cp -R models build/types/wyrm/models
	MYPYPATH=build/types $(PY) -P -m mypy -p wyrm
	cd build/types && PYTHONPATH=. ../../$(PY) -P -m mypy.stubtest wyrm --mypy-config-file ../../pyproject.toml \
		--allowlist ../../tests/package/stubtest_allowlist.txt $(ARGS)

# The peers have an environment of their own, over the other: what it lacks is found there, wyrm among it.
PEERS := .venv-peers
BENCH = $(if $(wildcard $(PEERS)/installed),$(PEERS)/bin/python,$(PY))

bench: $(VENV)/built  ## where wyrm stands against peers and the machine: writes docs/benchmarks.md
	$(BENCH) benchmarks/bench.py $(ARGS)

bench-peers: $(VENV)/built  ## the libraries that benchmarks compare with, in .venv-peers
	$(PY) benchmarks/setup_peers.py $(PEERS)

bench-suite: $(VENV)/built  ## times of kernels, engine, training, readers (pytest-benchmark)
	$(BENCH) -m pytest --benchmark-enable -m "" benchmarks $(ARGS)

bench-check: $(VENV)/built  ## the results of the benchmarks, in small sizes; no times
	$(PY) -m pytest benchmarks $(ARGS)

bench-baseline: $(VENV)/built  ## keep what steps cost now, to compare with
	$(PY) benchmarks/compare.py save $(ARGS)

bench-compare: $(VENV)/built  ## fail if a step costs 10 % more than in the baseline
	$(PY) benchmarks/compare.py check $(ARGS)

isa: $(VENV)/built  ## the fast tests under each instruction set of this machine
	for isa in $$($(PY) -c "import wyrm.kernels.dispatch as d; print(*d.available_instruction_sets())"); do \
		echo "WYRM_ISA=$$isa"; WYRM_ISA=$$isa $(PY) -m pytest $(ARGS) || exit 1; done

# Sanitizers (GCC on Linux).  Each has a build of its own, ahead of the editable one on the path.  Python itself is
# not instrumented, so the run-time library is loaded before it, and Python's own pools give way to malloc.
# libstdc++ comes with it: the C++ in SciPy throws, which the run-time library must see at its start.
build/%-sanitizer/built: $(VENV)/installed $(SOURCES) $(shell find wyrm models -name '*.py')
	@mkdir -p build/$*-sanitizer/lib && find build/$*-sanitizer/lib -name "*.py" -delete
	CC=gcc WYRM_SANITIZE=$(subst address,address$(comma)undefined,$*) $(PY) setup.py --quiet build \
		--build-base build/$*-sanitizer --build-lib build/$*-sanitizer/lib
	@touch $@
comma := ,

preload = LD_PRELOAD="$(foreach lib,$(1) stdc++,$(shell gcc -print-file-name=lib$(lib).so))"
SANITIZED = $(PY) -X faulthandler -m pytest -p no:faulthandler -p no:cacheprovider --capture=sys

sanitize: build/address-sanitizer/built  ## the fast tests under AddressSanitizer and UndefinedBehaviorSanitizer
	PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/build/address-sanitizer/lib \
	WYRM_SANITIZE=address,undefined PYTHONMALLOC=malloc \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=1 \
	UBSAN_OPTIONS=print_stacktrace=1 OPENBLAS_NUM_THREADS=1 \
	$(call preload,asan ubsan) $(SANITIZED) $(ARGS)

# Address space layout randomisation is off for it: the run-time library of GCC 12 can't place its shadow otherwise.
sanitize-thread: build/thread-sanitizer/built  ## the fast tests under ThreadSanitizer
	PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/build/thread-sanitizer/lib \
	WYRM_SANITIZE=thread PYTHONMALLOC=malloc \
	TSAN_OPTIONS=halt_on_error=1:allocator_may_return_null=1:ignore_noninstrumented_modules=1:history_size=7:suppressions=$(CURDIR)/tests/thread_sanitizer.supp \
	OPENBLAS_NUM_THREADS=1 \
	$(call preload,tsan) setarch $$(uname -m) --addr-no-randomize $(SANITIZED) $(ARGS)

sdist: $(VENV)/built  ## the source distribution, in dist/
	$(PY) -m build --no-isolation --sdist

wheel: $(VENV)/built  ## a wheel of this platform, in dist/
	$(PY) -m build --no-isolation --wheel

clean:  ## remove what was built (the environment stays: rm -r .venv)
	rm -rf build dist *.egg-info .benchmarks .hypothesis .pytest_cache .mypy_cache .ruff_cache $(VENV)/built
	find $(FOLDERS) \( -name '*.so' -o -name '*.c' \) -delete
	find $(FOLDERS) -name __pycache__ -prune -exec rm -rf {} +
