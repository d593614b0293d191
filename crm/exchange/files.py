"""What kind of file somebody uploaded, and how it is to be read; strict, never guessing.

A file is refused as a whole, with the line and why, when it can not be read to its end:
cut in the middle, neither UTF-8 nor GB18030 nor UTF-16, no text at all, a workbook that
would fill the memory. `inspect` reads it once, in bounded memory.
"""

from __future__ import annotations

import codecs
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import BadInput

MAX_COLUMNS = 200
# A workbook may unpack to so much, and so many times its size.
MAX_UNPACKED = 2 * 1024**3
MAX_RATIO = 200
# openpyxl keeps the table of texts in memory.
MAX_SHARED_TEXT = 128 * 1024**2
_BLOCK = 1 << 18
_HEAD = 1 << 16
_DELIMITERS = ",\t;|"
# So many characters of three bytes are not UTF-8 by chance.
_SURELY_UTF8 = 20


# What reading a damaged archive or its XML may raise.
DAMAGES = (
    *(zipfile.BadZipFile, zlib.error, ParseError, OSError, EOFError),
    *(KeyError, ValueError, TypeError, IndexError, AttributeError),
    NotImplementedError,
)


class BadFile(BadInput):
    """The file can't be read to its end; the words say where and why."""

    code = "bad_file"


@dataclass(frozen=True)
class Layout:
    """How the rows are found: `format` csv or xlsx, the latter without the rest."""

    format: str
    encoding: str = ""
    delimiter: str = ""
    headers: tuple[str, ...] = ()
    sheet: str = ""
    more_sheets: int = 0

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "headers": list(self.headers)}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Layout:
        return cls(**{**stored, "headers": tuple(stored["headers"])})


def inspect(path: Path) -> Layout:
    """How to read the file. Raises BadFile."""
    size = path.stat().st_size
    if not size:
        raise BadFile(_("The file is empty."))
    if size > settings.MAX_UPLOAD_BYTES:
        raise BadFile(_("The file is larger than 200 MB."))
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(b"PK"):
        return _inspect_workbook(path)
    _refuse_other_formats(head)
    encoding = find_encoding(path, head)
    first = _first_lines(path, encoding)
    delimiter = _delimiter(first)
    layout = Layout("csv", encoding, delimiter)
    return Layout("csv", encoding, delimiter, _headers(layout, path))


def _refuse_other_formats(head: bytes) -> None:
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadFile(
            _("This is an old XLS or a protected workbook: save it as XLSX or CSV.")
        )
    # Old systems call web pages XLS.
    is_markup = head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<")
    if is_markup or head.startswith(
        (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"\x1f\x8b", b"Rar!")
    ):
        raise BadFile(_("This is not a table: upload CSV or XLSX."))


# -- encoding


def find_encoding(path: Path, head: bytes) -> str:
    """utf-8-sig, utf-16 or gb18030, by decoding the whole file. Raises BadFile."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _decode_all(path, "utf-16")
        return "utf-16"
    _refuse_binary(head, path)
    failed = _first_failure(path, "utf-8-sig")
    if failed is None:
        return "utf-8-sig"
    line, is_at_end, was_surely = failed
    if was_surely or head.startswith(codecs.BOM_UTF8):
        raise BadFile(_undecodable("UTF-8", line, is_at_end))
    other = _first_failure(path, "gb18030")
    if other is None:
        return "gb18030"
    if other[0] >= line:
        raise BadFile(_undecodable("GB18030", other[0], other[1]))
    raise BadFile(_undecodable("UTF-8", line, is_at_end))


def _refuse_binary(head: bytes, path: Path) -> None:
    at = head.find(b"\0")
    if at >= 0:
        line = head.count(b"\n", 0, at) + 1
        raise BadFile(
            _(
                "Line %(line)d holds a NUL byte (byte %(byte)d): this is no text file, "
                "or it was damaged."
            )
            % {"line": line, "byte": at + 1}
        )
    odd = sum(byte < 32 and byte not in b"\t\n\r\f\v\x1a" for byte in head)
    if odd > max(2, len(head) // 200):
        raise BadFile(_("This is not a table: upload CSV or XLSX."))


def _first_failure(path: Path, encoding: str) -> tuple[int, bool, bool] | None:
    """(line, at the end of the file?, surely this encoding until there?)"""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, wide = 1, 0
    for block, is_last in _blocks(path):
        pending = decoder.getstate()[0]
        try:
            text = decoder.decode(block, is_last)
        except UnicodeDecodeError as error:
            whole = pending + block
            good = whole[: error.start].decode(encoding, "ignore")
            wide += sum(char > "\u07ff" for char in good)
            at_end = is_last and error.end >= len(whole) - 1
            return line + good.count("\n"), at_end, wide > _SURELY_UTF8
        line += text.count("\n")
        if wide <= _SURELY_UTF8:
            wide += sum(char > "\u07ff" for char in text)
        _refuse_nul(text, line)
    return None


def _refuse_nul(text: str, line: int) -> None:
    if "\0" in text:
        at = line - text.count("\n", text.index("\0"))
        raise BadFile(
            _("Line %(line)d holds a NUL character: the file was damaged.")
            % {"line": at}
        )


def _decode_all(path: Path, encoding: str) -> None:
    failed = _first_failure(path, encoding)
    if failed is not None:
        raise BadFile(_undecodable("UTF-16", failed[0], failed[1]))


def _undecodable(name: str, line: int, is_at_end: bool) -> str:
    if is_at_end:
        return _(
            "The file ends in the middle of a character on line %(line)d: it was cut "
            "off. Save or upload it again."
        ) % {"line": line}
    return _(
        "Line %(line)d can not be read as %(encoding)s. Save the file as “CSV UTF-8” "
        "and upload it again."
    ) % {"line": line, "encoding": name}


def _blocks(path: Path) -> Iterator[tuple[bytes, bool]]:
    size, read = path.stat().st_size, 0
    with path.open("rb") as stream:
        while read < size:
            block = stream.read(_BLOCK)
            if not block:
                break
            read += len(block)
            yield block, read >= size


# -- rows of text


def _first_lines(path: Path, encoding: str) -> str:
    with path.open("r", encoding=encoding, newline="") as stream:
        return stream.read(_HEAD)


def _delimiter(text: str) -> str:
    """The separator the header line holds most often outside quotes."""
    first, in_quotes = [], False
    for char in text.lstrip("\r\n"):
        if char == '"':
            in_quotes = not in_quotes
        elif char in "\r\n" and not in_quotes:
            break
        elif not in_quotes:
            first.append(char)
    return max(_DELIMITERS, key=first.count)


def _headers(layout: Layout, path: Path) -> tuple[str, ...]:
    from crm.exchange.reading import open_rows

    with open_rows(path, layout) as rows:
        for row in rows:
            return check_headers(row.line, row.cells)
    raise BadFile(_("The file is empty."))


def check_headers(line: int, cells: list[str]) -> tuple[str, ...]:
    """The names of the columns. Raises BadFile: too many, two alike, none."""
    names = [cell.strip()[:80] for cell in cells]
    while names and not names[-1]:
        names.pop()
    if len(names) > MAX_COLUMNS:
        raise BadFile(
            _("The table has %(count)d columns; at most %(limit)d can be read.")
            % {"count": len(names), "limit": MAX_COLUMNS}
        )
    if not names:
        raise BadFile(
            _("Line %(line)d should hold the names of the columns.") % {"line": line}
        )
    _refuse_doubles(line, names)
    if all(name.replace(".", "").replace("-", "").isdigit() for name in names if name):
        raise BadFile(
            _(
                "Line %(line)d holds values, not names of columns: write the names "
                "into the first line."
            )
            % {"line": line}
        )
    return tuple(names)


def _refuse_doubles(line: int, names: list[str]) -> None:
    places: dict[str, list[int]] = {}
    for number, name in enumerate(names, 1):
        if name:
            places.setdefault(name.casefold(), []).append(number)
    for name, found in places.items():
        if len(found) > 1:
            raise BadFile(
                _(
                    "Line %(line)d names two columns “%(name)s” (columns %(columns)s): "
                    "give each its own name."
                )
                % {
                    "line": line,
                    "name": names[found[0] - 1] or name,
                    "columns": ", ".join(map(str, found)),
                }
            )


# -- workbooks


def _inspect_workbook(path: Path) -> Layout:
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_bomb(archive, path.stat().st_size)
    except DAMAGES as error:
        raise BadFile(
            _("The workbook is damaged or was cut off: save and upload it again.")
        ) from error
    from crm.exchange.reading import open_rows, sheet_entry, sheet_names
    from crm.exchange.workbooks import refuse_unreadable

    names = sheet_names(path)
    layout = Layout("xlsx", sheet=names[0], more_sheets=len(names) - 1)
    with open_rows(path, layout) as rows:
        first = next(rows, None)
    if first is None:
        raise BadFile(_("The first sheet of the workbook is empty."))
    headers = check_headers(first.line, first.cells)
    refuse_unreadable(path, sheet_entry(path, names[0]))
    return replace(layout, headers=headers)


def _refuse_bomb(archive: zipfile.ZipFile, size: int) -> None:
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if "xl/workbook.xml" not in names:
        raise BadFile(_("This is not a table: upload CSV or XLSX."))
    unpacked = sum(entry.file_size for entry in entries)
    shared = sum(
        entry.file_size
        for entry in entries
        if "sharedstrings" in entry.filename.lower()
    )
    is_bomb = unpacked > MAX_UNPACKED or unpacked > max(size, 1 << 16) * MAX_RATIO
    if is_bomb or shared > MAX_SHARED_TEXT or len(entries) > 2000:
        raise BadFile(
            _(
                "The workbook unpacks to %(size)d MB, more than can be read safely: "
                "save it as CSV."
            )
            % {"size": unpacked // 1024**2}
        )


def remove(path: Path) -> None:
    """Delete a stored file; one that is gone already is fine."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
