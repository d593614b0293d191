"""The rows of a file, one at a time, each with the line it begins on.

A CSV row may span lines (quoted line breaks): `line` is the one an editor shows for its
begin. In a workbook it is the number of the row.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from crm.exchange.files import DAMAGES, MAX_COLUMNS, BadFile, Layout

# One cell; a quote that is never closed would swallow the rest of the file.
MAX_CELL = 32_767
csv.field_size_limit(1 << 20)
# One row, with all its cells and lines: the reader holds it in memory.
MAX_ROW = 8 << 20
# A sheet of Excel has no more.
MAX_ROWS = 1_048_576


class Row(NamedTuple):
    line: int
    cells: list[str]


@contextlib.contextmanager
def open_rows(path: Path, layout: Layout) -> Iterator[Iterator[Row]]:
    """Every row that holds something, the headers first. Raises BadFile on the way."""
    if layout.format == "xlsx":
        with _workbook(path) as book:
            yield _sheet_rows(book, layout.sheet)
    else:
        with path.open("r", encoding=layout.encoding, newline="") as stream:
            yield _text_rows(stream, layout.delimiter)


def _text_rows(stream: Any, delimiter: str) -> Iterator[Row]:
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begin = 1
    while True:
        lines.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _RowTooLong as error:
            raise BadFile(
                _("The row on line %(line)d never ends: this is no table.")
                % {"line": begin}
            ) from error
        except csv.Error as error:
            raise BadFile(_broken(begin, str(error))) from error
        except UnicodeDecodeError as error:
            raise BadFile(_broken(reader.line_num + 1, str(error))) from error
        if any(cells):
            yield Row(begin, cells)
        begin = reader.line_num + 1


class _Lines:
    """The lines of a text, in pieces where one is long; a row has no end of them."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = MAX_ROW

    def begin_row(self) -> None:
        self._left = MAX_ROW

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line: str = self._stream.readline(self._left + 1)
        if not line:
            raise StopIteration
        self._left -= len(line)
        if self._left < 0:
            raise _RowTooLong
        return line


class _RowTooLong(Exception):
    """Cells without end in one row."""


def _broken(line: int, error: str) -> str:
    if "end of data" in error or "limit" in error:
        return _(
            "The quote opened on line %(line)d is never closed: the file was cut off, "
            "or a quote is missing there."
        ) % {"line": line}
    return _("Line %(line)d is not valid CSV: check the quotes there.") % {"line": line}


# -- workbooks


@contextlib.contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    # As a stream: of a path openpyxl asks for an ending it knows.
    stream = path.open("rb")
    try:
        book = openpyxl.load_workbook(
            stream, read_only=True, data_only=True, keep_links=False
        )
    except (InvalidFileException, *DAMAGES) as error:
        stream.close()
        raise BadFile(_damaged()) from error
    try:
        yield book
    finally:
        book.close()
        stream.close()


def sheet_names(path: Path) -> list[str]:
    """Names of the visible sheets, in their order. Raises BadFile without one."""
    with _workbook(path) as book:
        names = [
            sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"
        ]
    if not names:
        raise BadFile(_("The workbook has no visible sheet."))
    return names


def sheet_entry(path: Path, name: str) -> str:
    """Where in the workbook's archive the sheet lies."""
    with _workbook(path) as book:
        return str(book[name]._worksheet_path)


def _sheet_rows(book: Any, name: str) -> Iterator[Row]:
    sheet = book[name]
    # What the file says of its size is often wrong, and may be meant to be.
    sheet.reset_dimensions()
    number = 0
    try:
        for number, values in enumerate(
            sheet.iter_rows(
                values_only=True, max_col=MAX_COLUMNS + 1, max_row=MAX_ROWS
            ),
            1,
        ):
            if values.count(None) == len(values):
                continue  # a gap may be a million rows
            cells = [_text(value) for value in values]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                yield Row(number, cells)
    except DAMAGES as error:
        raise BadFile(
            _("The workbook is damaged after row %(row)d.") % {"row": number}
        ) from error


def _damaged() -> str:
    return _("The workbook is damaged or was cut off: save and upload it again.")


def _text(value: Any) -> str:
    """A cell as somebody would have typed it: 13800000000, not 13800000000.0."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        is_day = value.time() == time()
        return value.strftime("%Y-%m-%d" if is_day else "%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
