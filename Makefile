# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
SYNCED := $(VENV)/.synced
# Heitu itself anew each time: a build taken from uv's cache would bring no page.
SYNC := $(UV) sync --locked --reinstall-package heitu --python $(BIN)/python

.PHONY: help setup demo test check bench page clean

help:
	@echo "make demo   start the platform with a simulated Jilin and print its address"
	@echo "make test   run the tests"
	@echo "make check  ruff and mypy"
	@echo "make bench  the benchmarks, one JSON object each"
	@echo "make page   rebuild the web page after changing api/web"

setup: $(SYNCED)

demo: setup
	$(BIN)/heitu demo

test: setup
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadgroup

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The other files in bench/ are parts of these.
BENCHES := demo season zonal ingest_scenes readings series yields

bench: setup
	$(UV) sync --locked --group bench --python $(BIN)/python
	@for name in $(BENCHES); do \
	  echo "== bench/$$name.py"; $(BIN)/python bench/$$name.py || exit 1; done

page: setup
	$(SYNC)

clean:
	rm -rf $(VENV) dist api/static api/web/node_modules

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Heitu needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# The lock file alone decides what is installed; the build hook makes the page.
$(SYNCED): pyproject.toml uv.lock hatch_build.py | $(UV)
	$(SYNC)
	@touch $@
