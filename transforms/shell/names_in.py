"""The names of files in a directory, on any file system that Beam knows."""

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems


def names_in(directory: str) -> list[str]:
    """Return the paths of the files in a directory; none if there is no such directory.

    Raises:
        BeamIOError: the file system cannot be reached.
    """
    try:
        found = FileSystems.match([f"{directory.rstrip('/')}/*"])[0].metadata_list
    except BeamIOError as error:
        if any(isinstance(each, FileNotFoundError) for each in (error.exception_details or {}).values()):
            return []
        raise
    return [one.path for one in found]
