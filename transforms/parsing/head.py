"""The beginning of a text file: the names of its columns, and what shows that it is no such file."""

import codecs
from typing import BinaryIO

import msgspec

from transforms.parsing.csv_records import Quoting
from transforms.parsing.lines import starts_of
from transforms.parsing.raw import Unreadable
from transforms.parsing.unpacked import BrokenStreamError

SAMPLE = 1 << 16
"""Bytes to look at, more only while a header is longer."""

_OTHERS = {
    b"\x1f\x8b\x08": "it is packed by gzip: let its name end in .gz",
    b"\x28\xb5\x2f\xfd": "it is packed by zstd: let its name end in .zst",
    b"BZh": "it is packed by bzip2: unpack it, or pack it by gzip or zstd",
    b"PK\x03\x04": "it is a zip archive: unpack it",
    b"PAR1": "it is Parquet: let its name end in .parquet, or say `format: parquet` in sources.yaml",
    b"Obj\x01": "it is Avro: let its name end in .avro, or say `format: avro` in sources.yaml",
}
_RETURNS = "its lines end in carriage returns alone: make them line feeds, as `tr '\\r' '\\n'` does"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def check_text(stream: BinaryIO, *, lines_only: bool) -> None:
    """Look at the first bytes of a text file.

    Args:
        stream: The file, at its start.
        lines_only: Whether a carriage return outside quotes is no part of a record.

    Raises:
        Unreadable: another format, packed, or in an encoding in which no line can be read.
    """
    head = _read(stream, SAMPLE)
    for magic, message in _OTHERS.items():
        if head.startswith(magic) and not _is_text(head.partition(b"\n")[0]):
            raise Unreadable(message)
    if head.startswith(_UTF16) and b"\0" in head:
        raise Unreadable("it is UTF-16: save it as UTF-8, as `iconv -f UTF-16 -t UTF-8` does")
    if lines_only and b"\n" not in head and b'"' not in head and b"\r" in head.rstrip(b"\r"):
        raise Unreadable(_RETURNS)


def read_header(stream: BinaryIO, quoting: Quoting, max_bytes: int) -> tuple[str, ...]:
    """Return the names of the columns of a CSV file, without spaces around them; none of an empty file.

    Raises:
        Unreadable: the first record cannot be what names them.
    """
    record = _first_record(stream, quoting).removeprefix(codecs.BOM_UTF8)
    if len(record) > max_bytes:
        raise Unreadable(f"its first line, the header, is longer than {max_bytes} bytes")
    if not record:
        return ()
    if not _is_text(record):
        raise Unreadable("its first line, the header, is not UTF-8: save it as UTF-8, as `iconv -t UTF-8` does")
    fields = quoting.fields(record.decode())
    if fields is None and b"\r" in record:
        raise Unreadable(_RETURNS)
    if fields is None:
        raise Unreadable("its first line, the header, has a quote that is not closed, or closes nothing")
    return tuple(name.strip() for name in fields)


def sample_keys(stream: BinaryIO) -> dict[str, bool]:
    """Return the keys of the first JSON objects in a file, each with whether it holds an object.

    Raises:
        Unreadable: no line begins a record of its own.
    """
    keys: dict[str, bool] = {}
    text = _read(stream, SAMPLE).removeprefix(codecs.BOM_UTF8).strip()
    for line in text.split(b"\n"):
        try:
            found = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # it is rejected when it is read, or cut off here
        keys |= {key: bytes(value).startswith(b"{") or keys.get(key, False) for key, value in found.items()}
    if not keys and (text.startswith(b"[") or text.partition(b"\n")[0].rstrip() == b"{"):
        raise Unreadable("it is JSON over several lines: write one object a line, as `jq -c` does")
    return keys


def _first_record(stream: BinaryIO, quoting: Quoting) -> bytes:
    """Return the first record that is not empty, or all that there is."""
    data, chunk = b"", _read(stream, SAMPLE)
    while True:
        data += chunk
        whole = data[: data.rfind(b"\n") + 1] if chunk else data + b"\n"
        ends, _ = quoting.record_ends(whole, len(data) if chunk else None)
        for start, end in zip(starts_of(ends).tolist(), ends.tolist(), strict=True):
            if record := whole[start:end].removesuffix(b"\r"):
                return record
        if not chunk or len(data) > quoting.reach:
            return data.strip(b"\r\n")
        chunk = _read(stream, SAMPLE)


def _read(stream: BinaryIO, size: int) -> bytes:
    try:
        return stream.read(size)
    except BrokenStreamError as error:
        raise Unreadable(f"it cannot be unpacked: {error}") from error


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
