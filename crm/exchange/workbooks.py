"""What of a workbook would be lost without a word, were its cells only read.

openpyxl gives nothing for a formula nobody computed, and nothing for all but the first
of merged cells. A program that made the file left the former, a person the latter.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element, iterparse

from django.utils.translation import gettext as _

from crm.exchange.files import DAMAGES, BadFile

_BLOCK = 1 << 16
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
# Longer than what the two find.
_OVERLAP = 120


def refuse_unreadable(path: Path, entry: str) -> None:
    """Raises BadFile, naming the place, when rows of the sheet would lose values.

    `entry`: where in the workbook's archive the sheet lies.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            with archive.open(entry) as sheet:
                has_formulas = _look_over(sheet)
            if has_formulas:
                with archive.open(entry) as sheet:
                    _refuse_uncomputed(sheet)
    except DAMAGES as error:
        raise BadFile(
            _("The workbook is damaged or was cut off: save and upload it again.")
        ) from error


def _look_over(sheet: IO[bytes]) -> bool:
    """Whether there are formulas; refuses cells merged over several rows."""
    has_formulas = False
    for block in _blocks(sheet):
        has_formulas = has_formulas or _FORMULA.search(block) is not None
        for left, top, right, bottom in _MERGED.findall(block):
            if top != bottom:
                raise BadFile(
                    _(
                        "The cells %(cells)s are merged over several rows: undo it, "
                        "and write the value into each of the rows."
                    )
                    % {"cells": (left + top + b":" + right + bottom).decode()}
                )
    return has_formulas


def _blocks(sheet: IO[bytes]) -> Iterator[bytes]:
    before = b""
    while block := sheet.read(_BLOCK):
        yield before + block
        before = block[-_OVERLAP:]


def _refuse_uncomputed(sheet: IO[bytes]) -> None:
    for _event, cell in iterparse(sheet):  # noqa: S314 - expat bounds entities
        kind = cell.tag.rpartition("}")[2]
        if kind == "c" and _is_uncomputed(cell):
            raise BadFile(
                _(
                    "Cell %(cell)s holds a formula without its result: open the "
                    "file in Excel or WPS, save it, and upload it again."
                )
                % {"cell": cell.get("r", "?")}
            )
        if kind == "row":
            cell.clear()


def _is_uncomputed(cell: Element) -> bool:
    found = {child.tag.rpartition("}")[2]: child for child in cell}
    if "f" not in found or cell.get("t") == "str":
        return False  # a text may well be empty
    value = found.get("v")
    return value is None or not value.text
