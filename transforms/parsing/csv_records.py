"""Where the records of a CSV file end: RFC 4180, in which a quoted field may hold line breaks."""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from transforms.parsing.lines import line_ends, starts_of
from transforms.parsing.raw import Bools, Ints

_QUOTE = ord('"')
_IN_QUOTES = r'[^"]*+(?:""[^"]*+)*+'


@dataclass(frozen=True)
class Quoting:
    """How fields are written.

    A field that starts with a quote ends with one, and holds others doubled; a quote within another field is text, but
    not at its end: there it closes nothing. A line that starts no such record is one of its own, to be refused.

    Attributes:
        delimiter: Between two fields.
        reach: Bytes within which a record ends; a quote that is open for longer is never closed.
    """

    delimiter: str
    reach: int

    def record_ends(self, data: bytes, held: int | None) -> tuple[Ints, bool]:
        """Return where records end: the offsets of their last line feeds, and whether all lines are `regular` records.

        Args:
            data: Whole lines from the start of a record.
            held: Bytes at hand from there on, those of a last line that is not whole included; None: there are no more.

        Returns:
            What is behind the last end waits for more.
        """
        ends, _ = line_ends(data)
        if b'"' not in data or self.regular(data, ends):
            return ends, True
        starts = starts_of(ends)
        keep = np.ones(len(ends), np.bool_)
        behind = 0
        for start in starts[self._irregular(data, starts)].tolist():
            if start < behind:
                continue
            if found := self._record.match(data, start, start + self.reach + 1):
                behind = found.end()
                keep[np.searchsorted(ends, start) : np.searchsorted(ends, behind - 1)] = False
            elif held is not None and held - start <= self.reach and self._open.fullmatch(data, start):
                return ends[keep & (ends < start)], False
        return ends[keep], False

    def regular(self, data: bytes, stops: Ints) -> bool:
        """Return whether all quotes are in pairs around whole fields, or doubled there, in records that stop there."""
        quotes = np.frombuffer(data, np.uint8) == _QUOTE
        opened = np.bitwise_xor.accumulate(quotes.view(np.uint8)).view(np.bool_)
        fits = np.frombuffer(data.translate(self._beside.tobytes()), np.bool_)
        before, behind = np.append(fits[-1:], fits[:-1]), np.append(fits[1:], True)
        astray = quotes & np.where(opened, ~before, ~behind)
        return not (opened[stops].any() or astray.any())

    def _irregular(self, data: bytes, starts: Ints) -> Bools:
        """Return which lines have quotes that are not so."""
        text = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(text == _QUOTE)
        first = np.searchsorted(quotes, starts)
        counts = np.diff(first, append=len(quotes))
        opening = (np.arange(len(quotes)) - np.repeat(first, counts)) % 2 == 0
        bad: Bools = counts % 2 == 1
        astray = ~self._beside[text[quotes + np.where(opening, -1, 1)]]
        bad[np.searchsorted(starts, quotes[astray], side="right") - 1] = True
        return bad

    def fields(self, record: str) -> list[str] | None:
        """Return the fields of one record without its end, or None if it is none."""
        if not self._row.fullmatch(record):
            return None
        found = self._field.findall(self.delimiter + record)
        return [quoted.replace('""', '"') or plain for quoted, plain in found]

    def certain_start(self, data: bytes, *, last: bool) -> int | None:
        """Return the offset of a record, wherever the file started, or None if that cannot be told.

        Either a record starts with the first line, or this is within a quoted field. Where that leads to no record the
        first is so; else both readings go on until they agree.

        Args:
            data: From the start of a line in the middle of a file on, more than `reach` bytes.
            last: Whether the file ends with them.
        """
        data += b"\n" if last else b""
        found = self._rest_of_record.match(data, 0, self.reach + 1)
        outside, inside = 0, found.end() if found else 0
        while outside != inside:
            start = min(outside, inside)
            if start + self.reach >= len(data) and not last:
                return None
            found = self._record.match(data, start, start + self.reach + 1)
            after = found.end() if found else data.find(b"\n", start) + 1
            if not after:
                return None
            outside, inside = (after, inside) if outside == start else (outside, after)
        return outside

    @cached_property
    def _beside(self) -> Bools:
        """Return which bytes may stand before an opening or behind a closing quote."""
        table = np.zeros(256, np.bool_)
        table[[ord(self.delimiter), ord("\n"), ord("\r"), _QUOTE]] = True
        return table

    @cached_property
    def _record(self) -> re.Pattern[bytes]:
        return _bytes(rf"{self._row.pattern}\r?\n")

    @cached_property
    def _open(self) -> re.Pattern[bytes]:
        return _bytes(rf'(?:{self._any}{re.escape(self.delimiter)})*+"{_IN_QUOTES}')

    @cached_property
    def _rest_of_record(self) -> re.Pattern[bytes]:
        return _bytes(rf'{_IN_QUOTES}"(?:{re.escape(self.delimiter)}{self._any})*+\r?\n')

    @cached_property
    def _row(self) -> re.Pattern[str]:
        return re.compile(rf"{self._any}(?:{re.escape(self.delimiter)}{self._any})*+")

    @cached_property
    def _field(self) -> re.Pattern[str]:
        between = re.escape(self.delimiter)
        return re.compile(rf'{between}(?:"({_IN_QUOTES})"|([^{between}]*+))')

    @cached_property
    def _any(self) -> str:
        other = rf"{re.escape(self.delimiter)}\r\n"
        return rf'(?:"{_IN_QUOTES}"|(?:[^"{other}][^{other}]*+(?<!"))?+)'


def _bytes(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode())
