"""The names of files in a directory, on any file system that Beam knows."""

import os

from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from transforms.shell.found_files import escaped
from transforms.streams.whole_files import LOCAL


def names_in(directory: str) -> list[str]:
    """Return the paths of the files in a directory; none if there is no such directory.

    Raises:
        BeamIOError: the file system cannot be reached.
        OSError: the directory of this machine cannot be listed.
    """
    if FileSystems.get_scheme(directory) is None:
        return [os.path.join(directory, name) for name in LOCAL.names(directory)]
    try:
        found = FileSystems.match([f"{escaped(directory.rstrip('/'))}/*"])[0].metadata_list
    except BeamIOError as error:
        if any(isinstance(each, FileNotFoundError) for each in (error.exception_details or {}).values()):
            return []
        raise
    return [one.path for one in found]
