# The one vocabulary of this project; CI calls nothing else.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help setup check test run bench

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the pinned, hashed requirements and this project in it

$(READY): deploy/requirements.txt setup.py pyproject.toml
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

check: $(READY)  ## formatting, lint, types, layers, packaging
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --quiet tests/test_packaging.py

test: $(READY)  ## every test, warnings are errors, coverage shown
	$(BIN)/pytest --numprocesses auto --dist worksteal --cov --cov-report=term:skip-covered

run: $(READY)  ## a simulated town, from its signals to its offers, into out/demo
	$(BIN)/segone demo --out out/demo

bench: $(READY)  ## measure against polars, DuckDB and ordinary Beam; writes benchmarks/results.md
	$(BIN)/python -m benchmarks
