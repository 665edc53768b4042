# Every target sets up what it needs: `make race` and `make test` work in a fresh clone.
#
#   PYTHON=python3.12      the Python that makes the virtual environment
#   PIP_FLAGS='...'        more options for pip, such as the index that holds a CPU build of torch
#   ARGS='...'             more options for pytest, such as `make test ARGS='-k lion'`
#   WORKERS=0              processes that share the tests: as many as cores, 4 at most, if left out; none of its own if 0

PYTHON ?= python3
PIP_FLAGS ?=
ARGS ?=
WORKERS ?= logical

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ORACLES := $(VENV)/.oracles
WEB := src/ravine/lab/web
MODULES := $(WEB)/node_modules/.ready
BUNDLE := src/ravine/report/bundle/app.js
# A file's tests stay together, for they share what they prepare; in their usual order, which has the longest files first.
PYTEST = $(BIN)/python -m pytest --numprocesses=$(WORKERS) --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP_FLAGS) -c constraints.txt

# Two threads on two busy cores can be hundreds of times slower than one.
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup oracles race test test-all lint format types docs cli-pages models-page optimisers-table schedules-page parity-page golden-page power-page gallery bench web lab browser wheel all clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## create .venv with the pinned packages

# Some distributions split ensurepip off from Python; pip can then put itself into the environment.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ravine needs Python 3.11 or newer, and '$(PYTHON)' is not: give another, as in 'make PYTHON=python3.11 test'." >&2; exit 1; }
	@echo "Setting up $(VENV): the first time takes minutes, most of them for torch."
	@$(PYTHON) -m venv $(VENV) >/dev/null || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet $(PIP_FLAGS) pip; }
	@$(INSTALL) -e '.[dev]'
	@touch $@

oracles: $(ORACLES) ## add the second oracles of the parity tests (jax, optax), the libraries of the conformance table, the trackers and Ray

$(ORACLES): $(READY)
	@$(INSTALL) -e '.[dev,oracles,trackers,ray]'
	@$(INSTALL) --no-deps timm
	@touch $@

race: $(READY) ## race six optimisers on real handwritten digits: digits.ravine and digits.png
	$(BIN)/ravine race digits --optimizers sgd,momentum,rmsprop,adam,adamw,lion --seeds 5 --out digits.ravine --force --figure

test: $(READY) ## the default tests; what a machine lacks is skipped, with the reason
	$(PYTEST) $(ARGS)

test-all: $(READY) ## the default tests and the slow ones
	$(PYTEST) --slow $(ARGS)

browser: $(READY) ## the tests that need Chromium and the built page
	$(BIN)/python -m pytest -m browser tests/lab $(ARGS)

lint: $(READY) ## ruff, its formatter and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(READY) ## format, and fix what can be fixed by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(READY) ## mypy, strict, on src, and tsc on the page's source where it can be built
	$(BIN)/mypy
	@! test -d $(WEB)/node_modules/typescript || node $(WEB)/node_modules/typescript/bin/tsc --noEmit -p $(WEB)

docs: $(READY) ## run every example of the documents and docstrings, compare the command pages
	$(BIN)/python -m pytest tests/docs $(ARGS)

cli-pages: $(READY) ## write docs/cli.md anew from the program
	$(BIN)/python docs/write_cli.py

models-page: $(READY) ## write docs/models.md anew from the conformance table
	$(BIN)/python docs/write_models.py

golden-page: $(READY) ## measure the golden checks and write docs/golden.md anew
	$(BIN)/python docs/write_golden.py

gallery: $(READY) ## draw docs/figures.md and its pictures anew (minutes)
	$(BIN)/python docs/write_gallery.py

power-page: $(READY) ## simulate docs/power.md and its figure anew (minutes)
	$(BIN)/python docs/write_power.py

optimisers-table: $(READY) ## write the table of docs/optimisers.md anew from the registry
	$(BIN)/python docs/write_optimisers.py

schedules-page: $(READY) ## write the table of docs/schedules.md and its picture anew from the registry
	$(BIN)/python docs/write_schedules.py

parity-page: $(ORACLES) ## write docs/parity.md anew: every optimiser beside its oracles
	$(BIN)/python docs/write_parity.py

bench: $(READY) ## every benchmark, one after the other
	@for script in benchmarks/*.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

web: $(BUNDLE) ## build the page of `ravine lab` and of the report; needs Node 20

# What the lock file names, and nothing newer.
$(MODULES): $(WEB)/package-lock.json
	@command -v npm >/dev/null || { echo "The page is built with Node 20 or newer, which is not here: install it, then run make web again." >&2; exit 1; }
	@npm ci --prefix $(WEB) --no-audit --no-fund --loglevel=error
	@touch $@

$(BUNDLE): $(MODULES) $(WEB)/build.mjs $(shell find $(WEB)/src -type f 2>/dev/null)
	@node $(WEB)/build.mjs

lab: $(READY) ## press Play: build the page and open the lab
	@command -v npm >/dev/null && $(MAKE) --no-print-directory web || echo "Without Node the lab has no page; see make web." >&2
	$(BIN)/ravine lab $(ARGS)

wheel: $(READY) ## build the wheel into dist/, with the page where there is Node
	@! command -v npm >/dev/null || $(MAKE) --no-print-directory web
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

all: lint types test-all ## everything, the slow tests as well; CI runs lint, types and the default tests

clean: ## remove what the targets made, .venv included
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis digits.ravine digits.png $(WEB)/node_modules $(dir $(BUNDLE))
