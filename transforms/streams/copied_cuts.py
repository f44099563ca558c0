"""A cut in another place: what it is made of, copied."""

from transforms.streams.erasures import FOLDER
from transforms.streams.manifests import BLOBS, cuts_in, manifest_path, read_manifest, remove_old
from transforms.streams.whole_files import LOCAL, WholeFiles


def copy_newest(source: str, target: str, keep: int, files: WholeFiles) -> None:
    """Put the newest cut of a folder of this machine into another place as well, its manifest last.

    Args:
        source: Of cuts, one at least.
        target: May have older ones, of which the last few stay.
        keep: How many manifests to keep.
        files: What the target is in.

    Raises:
        OSError, ValueError: a file cannot be read, or written.
    """
    tick = cuts_in(source)[-1]
    blobs = [f"{BLOBS}/{file.name}" for file in read_manifest(source, tick).files.values()]
    erased = [f"{FOLDER}/{name}" for name in LOCAL.names(f"{source}/{FOLDER}")]
    for name in (*blobs, *erased):
        files.write(f"{target.rstrip('/')}/{name}", LOCAL.read(f"{source}/{name}"))
    files.write(manifest_path(target, tick), LOCAL.read(manifest_path(source, tick)))
    remove_old(target, keep, files)
