# The one vocabulary of this project; CI calls nothing else.
BIN := .venv/bin
READY := .venv/ready
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help setup engines check test test-cases test-engines test-crashes run stream bench mutants lock

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the pinned, hashed requirements and this project in it

$(READY): deploy/make_venv.sh deploy/uv.txt deploy/requirements.txt setup.py pyproject.toml
	deploy/make_venv.sh .venv
	touch $(READY)

engines:  ## fetch Prism, Kafka and Flink for this machine, checked, into .engines
	deploy/engines.sh

check: $(READY)  ## formatting, lint, types, layers, packaging
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --quiet tests/test_packaging.py

test: $(READY)  ## every test but those of `test-engines` and `test-crashes`, warnings are errors
	POLARS_MAX_THREADS=1 $(BIN)/pytest --numprocesses auto --dist worksteal -m "not engines and not crashes"

test-cases: $(READY)  ## the random cases against the references, many more than in `test`, and every story on every engine
	SEGONE_CASES=10 POLARS_MAX_THREADS=1 $(BIN)/pytest --numprocesses auto --dist worksteal -m cases

test-engines: $(READY) engines  ## what `test` plays on one engine from one broker, on and from the others
	POLARS_MAX_THREADS=1 $(BIN)/pytest -m engines

test-crashes: $(READY) engines  ## kill streams at every named point, and tell what came of it, in out/crashes.md
	rm -f out/crashes.md
	POLARS_MAX_THREADS=1 $(BIN)/pytest -m crashes tests/crashes; code=$$?; cat out/crashes.md; exit $$code

stream: $(READY)  ## the town live: through a broker into a stream, its offers as they come, for some minutes
	deploy/engines.sh prism kafka
	$(BIN)/python -m examples.live_town --out out/stream

run: $(READY)  ## a simulated town, from its signals to its offers, into out/demo
	$(BIN)/segone demo --out out/demo

bench: $(READY)  ## measure against polars, DuckDB and ordinary Beam; writes benchmarks/results.md
	deploy/engines.sh prism kafka
	$(BIN)/python -m benchmarks

mutants: $(READY)  ## change the core in small ways; the tests must notice at least 90 %
	$(BIN)/python -m tests.mutants

lock: $(READY)  ## pin the newest requirements that fit, and the newest uv, with their hashes
	echo uv | $(COMPILE) --upgrade --no-annotate --output-file deploy/uv.txt -
	$(COMPILE) --upgrade --extra bench --extra dev --extra otel --extra pages --extra scores --extra shopping --extra streams --output-file deploy/requirements.txt setup.py
