"""Read a file of rows as spreadsheets and registers write it: any of their encodings, delimiters and headings."""

import csv
import io
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from convenor.configuration_error import ConfigurationError

_BOMS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_INVISIBLE: Final = {ord(character): None for character in "\u200b\u2060\ufeff"}
_FORMULA: Final = re.compile(r"'(?=[=+\-@0-9])")
_TOTAL: Final = re.compile("(grand |sub-?)?totals?", re.IGNORECASE)
_INSTRUCTION: Final = re.compile(r"(required|optional)\b", re.IGNORECASE)
_BROKEN: Final = re.compile("[\ufffd\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class Record:
    """One row.

    Attributes:
        line: Its first line in the file; the heading is line 1.
        cells: Its cells, without the spaces around them.
        outside: Whether a cell stands under no heading.
    """

    line: int
    cells: tuple[str, ...]
    outside: bool

    @property
    def is_total(self) -> bool:
        """Whether the row looks like a total of those above it."""
        return _TOTAL.fullmatch(next(filter(None, self.cells), "")) is not None


@dataclass(frozen=True)
class Table:
    """A file's heading, its rows that are not blank, and how it was read."""

    heading: tuple[str, ...]
    records: tuple[Record, ...]
    notes: tuple[str, ...]


def read_table(path: Path) -> Table:
    """Read a file of rows.

    A heading's spaces, capitals and hyphens do not count. Blank rows, and blank columns without a heading, are dropped.

    Raises:
        ConfigurationError: It cannot be read, or has no heading.
    """
    try:
        text, notes = _decode(path.read_bytes())
        rows = _rows(text)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", "Check the path and the file.") from error
    except csv.Error as error:
        raise ConfigurationError(
            f"{path} cannot be read as CSV: {error}.", "Check the quotation marks, and save it as CSV UTF-8."
        ) from None
    if not rows:
        raise ConfigurationError(f"{path} is empty.", "Name a CSV file with a heading line.")
    heading = tuple(name_of_column(cell) for cell in rows[0][1])
    records = tuple(_record(line, cells, heading) for line, cells in rows[1:])
    if records and all(_INSTRUCTION.match(cell) for cell in records[0].cells if cell):
        notes += (f"Line {records[0].line} holds instructions and was left out.",)
        records = records[1:]
    return Table(heading, records, notes)


def name_of_column(text: str) -> str:
    """Return a column's name without what people and programs write differently."""
    return re.sub(r"[\s\-]+", "_", text.casefold())


def is_broken(cell: str) -> bool:
    """Check whether a character of a cell was lost when the file was saved."""
    return _BROKEN.search(cell) is not None


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    for mark, encoding in _BOMS.items():
        if content.startswith(mark):
            return content.decode(encoding, errors="replace"), ()
    try:
        return content.decode(), ()
    except UnicodeDecodeError:
        # Two encodings in order suffice: what is no UTF-8 comes from Excel or from the register of schools.
        return content.decode("cp1252", errors="replace"), ("The file was read as Windows-1252.",)


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, each with its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows, line = [], 1
    for cells in reader:
        cleaned = [_clean(cell) for cell in cells]
        if any(cleaned):
            rows.append((line, cleaned))
        line = reader.line_num + 1
    return rows


def _delimiter(text: str) -> str:
    heading = re.sub('"[^"]*"', "", next(iter(text.lstrip().splitlines()), ""))
    return max(",;\t", key=heading.count)


def _clean(cell: str) -> str:
    plain = "".join(" " if unicodedata.category(each) == "Zs" else each for each in cell.translate(_INVISIBLE)).strip()
    # An apostrophe keeps Excel from reading a formula or a number into a text.
    return _FORMULA.sub("", plain, count=1) if _FORMULA.match(plain) else plain


def _record(line: int, cells: list[str], heading: tuple[str, ...]) -> Record:
    outside = any(cells[len(heading) :]) or any(cell and not name for cell, name in zip(cells, heading, strict=False))
    filled = cells[: len(heading)] + [""] * (len(heading) - len(cells))
    return Record(line, tuple(filled), outside)
