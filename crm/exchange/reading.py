"""The rows of a file, one at a time, each with the line it begins on.

A CSV row may span lines (quoted line breaks): `line` is the one an editor shows for its
begin. In a workbook it is the number of the row.
"""

from __future__ import annotations

import contextlib
import csv
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError

from django.utils.translation import gettext as _

from crm.exchange.files import MAX_COLUMNS, BadFile, Layout

# One cell; a quote that is never closed would swallow the rest of the file.
MAX_CELL = 32_767
csv.field_size_limit(1 << 20)


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
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    begin = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadFile(_broken(begin, str(error))) from error
        except UnicodeDecodeError as error:
            raise BadFile(_broken(reader.line_num + 1, str(error))) from error
        if any(cells):
            yield Row(begin, cells)
        begin = reader.line_num + 1


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
    except (
        *(InvalidFileException, zipfile.BadZipFile, KeyError, ValueError),
        *(ParseError, OSError, AttributeError, TypeError),
    ) as error:
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


def _sheet_rows(book: Any, name: str) -> Iterator[Row]:
    sheet = book[name]
    # What the file says of its size is often wrong, and may be meant to be.
    sheet.reset_dimensions()
    number = 0
    try:
        for number, values in enumerate(
            sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS + 1), 1
        ):
            cells = [_text(value) for value in values]
            while cells and not cells[-1]:
                cells.pop()
            if cells:
                yield Row(number, cells)
    except (
        *(zipfile.BadZipFile, ParseError, KeyError, ValueError),
        *(OSError, EOFError, TypeError, IndexError),
    ) as error:
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
