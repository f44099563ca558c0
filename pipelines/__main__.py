"""`python -m pipelines` is `segone`."""

from pipelines.cli import main

main()
