"""The catalogues are complete, unfuzzy, agree, and hold every string of the code.

Runs makemessages on a copy, so that nothing in the working tree changes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

BASE_DIR = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE_DIR))

from privatedomain.translations import SKIPPED, catalogues  # noqa: E402

LANGUAGE = "zh_Hans"
# Context, string, whether it is one with a plural.
Key = tuple[str | None, str, bool]
# The simulator is a tool for developers of this project, in one language.
UNTRANSLATED = {"sandbox", "tests", "docs", "bench", "script", "styles", "static"}


def main() -> int:
    problems = [*_incomplete(), *_at_odds(), *_not_extracted()]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _incomplete() -> list[str]:
    problems = []
    for path in catalogues():
        name = path.relative_to(BASE_DIR)
        entries = polib.pofile(str(path))
        for entry in entries.untranslated_entries():
            problems.append(f"{name}: not translated: {entry.msgid!r}")
        for entry in entries.fuzzy_entries():
            problems.append(f"{name}: fuzzy: {entry.msgid!r}")
    return problems


def _at_odds() -> list[str]:
    """Strings that two catalogues translate differently.

    Django merges all catalogues into one, so only one of the two is ever shown, also
    on the pages of the other. A context (pgettext) tells two meanings apart.
    """
    problems = []
    first: dict[Key, tuple[Path, str]] = {}
    for path in catalogues():
        name = path.relative_to(BASE_DIR)
        for entry in polib.pofile(str(path)):
            if entry.obsolete:
                continue
            # A plural has its own place in the merged catalogue.
            words = str(entry.msgstr_plural or entry.msgstr)
            key = (entry.msgctxt, entry.msgid, bool(entry.msgid_plural))
            other, theirs = first.setdefault(key, (name, words))
            if theirs != words:
                problems.append(
                    f"{name}: {_shown(entry)} is {words!r} here, but {theirs!r} in {other}"
                )
    return problems


def _shown(entry: polib.POEntry) -> str:
    context = f" ({entry.msgctxt})" if entry.msgctxt else ""
    return f"{entry.msgid!r}{context}"


def _not_extracted() -> list[str]:
    """Strings of the code that no catalogue of its app, nor the project's, holds."""
    if shutil.which("xgettext") is None:
        return ["xgettext is missing: install gettext to check the translations."]
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        ignored = shutil.ignore_patterns(*SKIPPED, ".*", "*.mo", "__pycache__")
        shutil.copytree(BASE_DIR, copy, ignore=ignored)
        everywhere = _strings(copy / "locale")
        for top in sorted(copy.iterdir()):
            if _is_app(top):
                known = _strings(top / "locale") | everywhere
                missing = sorted(_extract(top) - known)
                problems += [f"{top.name}: not in a catalogue: {m}" for m in missing]
    return problems


def _is_app(folder: Path) -> bool:
    return folder.is_dir() and folder.name not in UNTRANSLATED | {"locale"}


def _strings(locale: Path) -> set[str]:
    """Each with its context, as `_shown` writes them."""
    found: set[str] = set()
    for path in locale.glob(f"{LANGUAGE}/LC_MESSAGES/*.po"):
        found |= {_shown(each) for each in polib.pofile(str(path)) if not each.obsolete}
    return found


def _extract(app: Path) -> set[str]:
    """What makemessages finds in one app's folder."""
    shutil.rmtree(app / "locale", ignore_errors=True)
    (app / "locale").mkdir()
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "django", "makemessages"),
            *("-l", LANGUAGE, "--no-location", "--no-wrap"),
        ],
        cwd=app,
        # Without settings it works on the folder it stands in.
        env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise SystemExit(f"makemessages failed in {app.name}: {answer.stderr}")
    return _strings(app / "locale")


if __name__ == "__main__":
    sys.exit(main())
