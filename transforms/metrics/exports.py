"""Tells what this process counted in every way that its environment asks for."""

from functools import cache

from transforms.metrics.pushing import push_if_asked
from transforms.metrics.serving import serve_if_asked


@cache
def export_if_asked() -> None:
    """Serve and push from now on, once in a process, if the environment says so."""
    serve_if_asked()
    push_if_asked()
