"""Compiles the catalogues without needing gettext's tools on the machine."""

import os
from pathlib import Path

import polib

BASE_DIR = Path(__file__).resolve().parent.parent
SKIPPED = {"node_modules", "var", "staticfiles"}


def catalogues() -> list[Path]:
    """Every .po file of ours."""
    found: list[Path] = []
    for top in sorted(BASE_DIR.iterdir()):
        if top.is_dir() and top.name not in SKIPPED and not top.name.startswith("."):
            found += top.glob("**/LC_MESSAGES/*.po")
    return sorted(found)


def compile_catalogues() -> int:
    """Write each .mo older than its .po; returns how many were written."""
    written = 0
    for source in catalogues():
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        part = target.with_name(f".{target.name}.{os.getpid()}")
        polib.pofile(str(source)).save_as_mofile(str(part))
        part.replace(target)
        written += 1
    return written
