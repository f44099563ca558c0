"""The engines that stories play on; those that need Beam are loaded when they are asked for."""

from pipelines.stories.core import play_core
from pipelines.stories.told import Play


def engine(name: str) -> Play:
    """Return what plays stories on one of `ENGINES`."""
    if name == "bounded":
        from pipelines.stories.bounded import play_bounded

        return play_bounded
    if name == "stream":
        from pipelines.stories.stream import play_stream

        return play_stream
    return play_core
