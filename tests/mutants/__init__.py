"""Small changes of the core, made one at a time, that the tests must notice: `python -m tests.mutants`."""
