"""What the footer of a Parquet file says of a row group, looked at where damage is an error and not the process's end.

pyarrow ends the process when `RowGroupMetaData.column` meets a column chunk that is not sound; its readers raise.
"""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq


def check_chunks(file: pq.ParquetFile, group: int, names: Sequence[str]) -> None:
    """Make sure that `file.metadata.row_group(group).column` may be called for the columns of some names.

    Raises:
        pyarrow.ArrowException, OSError: the footer's entry of one of them is damaged.
    """
    pages = _NoPages()
    stream = pa.PythonFile(pages, mode="r")
    footer = pq.ParquetFile(stream, metadata=file.metadata, buffer_size=1)  # only so are all looked at before a page
    try:
        next(footer.iter_batches(1, row_groups=[group], columns=list(names), use_threads=False), None)
    except (OSError, pa.ArrowException):
        if not pages.asked:
            raise


class _NoPages(io.RawIOBase):
    """A file of any size in which nothing is, and whether that was read: then the footer's part is done.

    It does not raise: pyarrow never frees what a stream raises.
    """

    asked = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Return the place, which for the end is behind all others."""
        return _END if whence == io.SEEK_END else offset

    def tell(self) -> int:
        """Return the place of the end."""
        return _END

    def read(self, size: int = -1, /) -> bytes:
        """Return nothing."""
        self.asked = True
        return b""


_END = 1 << 62
