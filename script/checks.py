"""What ``script/test`` runs: every check, then the suite; prints the time of each."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BASE_DIR))

from privatedomain import assets, translations  # noqa: E402
from privatedomain.instance import new_secrets  # noqa: E402

# A file's tests stay in one process, and files keep the order of tests/conftest.py.
SIDE_BY_SIDE = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
# The one without windows is half the work; tests/conftest.py takes it first.
SHELL = "chromium-headless-shell"
CHROMIUM = (SHELL, "chromium", "chromium-browser", "google-chrome")


def main(arguments: list[str]) -> int:
    os.chdir(BASE_DIR)
    # Set by importing the project; each command says itself which settings it wants.
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    # Console scripts of .venv (lint-imports) are called by name.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ensure_browser()
    ensure_fonts()
    translations.compile_catalogues()
    assets.build_stylesheet()
    if arguments:
        return subprocess.call([sys.executable, "-m", "pytest", *arguments])
    ensure_gettext()
    return run_all()


def run_all() -> int:
    python = sys.executable
    manage = [python, "manage.py"]
    checks: list[tuple[str, list[str], dict[str, str]]] = [
        ("ruff", ["ruff", "check", "."], {}),
        ("format", ["ruff", "format", "--check", "."], {}),
        ("types", ["mypy", "."], {}),
        (
            "types: sandbox",
            ["mypy", "--config-file", "sandbox/mypy.ini", "sandbox"],
            {},
        ),
        ("layers", ["lint-imports"], {}),
        ("migrations", [*manage, "makemigrations", "--check", "--dry-run"], {}),
        (
            "migrations: sandbox",
            [python, "-m", "django", "makemigrations", "--check", "--dry-run"],
            {"DJANGO_SETTINGS_MODULE": "sandbox.settings"},
        ),
        (
            "deploy",
            [*manage, "check", "--deploy", "--fail-level", "WARNING"],
            production(),
        ),
        ("translations", [python, "script/check_translations.py"], {}),
        ("suite", [python, "-m", "pytest", "-q", *SIDE_BY_SIDE], {}),
    ]
    # The checks take one core. Meanwhile the other compiles the tests and migrates the
    # cluster that the suite copies, once for all of its processes.
    ahead = subprocess.Popen(
        [python, "-m", "pytest", "--collect-only", "-q"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    outcome = []
    for name, command, extra in checks:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        if name == "suite":
            ahead.wait()
        quiet = offline() if name != "suite" else {}
        code = subprocess.call(command, env=os.environ | quiet | extra)
        outcome.append((name, code, time.monotonic() - started))
    print()
    for name, code, seconds in outcome:
        print(f"{'ok    ' if code == 0 else 'FAILED'} {name:<20} {seconds:6.1f} s")
    return 1 if any(code for _, code, _ in outcome) else 0


def offline() -> dict[str, str]:
    """Checks that need no server must not reach one by chance."""
    return {
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        "DB_POOLED": "0",
        "LOG_LEVEL": "WARNING",
    }


def production() -> dict[str, str]:
    """The settings of a production copy, with secrets made for this check."""
    return new_secrets(is_demo=False) | {
        "DJANGO_SETTINGS_MODULE": "privatedomain.settings",
        "DEBUG": "0",
        "DEMO": "0",
        "PUBLIC_URL": "https://console.example.com",
        "TRUSTED_PROXIES": "1",
        "REDIS_URL": f"redis://:{secrets.token_hex()}@127.0.0.1:6379/0",
    }


def ensure_browser() -> None:
    """Chromium: from PATH, else apt as root, else Playwright's own download."""
    if any(map(shutil.which, CHROMIUM)) or _playwright_has_browser():
        return
    if apt_install(SHELL) or apt_install("chromium"):
        return
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    if subprocess.call(command) != 0:
        sys.exit(
            "The browser tests need Chromium: sudo apt install chromium, "
            "or let Playwright reach its download server."
        )


def _playwright_has_browser() -> bool:
    script = (
        "from playwright.sync_api import sync_playwright as p\n"
        "import os, sys\n"
        "with p() as each: sys.exit(not os.path.exists(each.chromium.executable_path))"
    )
    return subprocess.call([sys.executable, "-c", script]) == 0


def ensure_fonts() -> None:
    """A Chinese font, else screenshots show boxes; a missing one stops nothing."""
    if shutil.which("fc-list"):
        found = subprocess.run(
            ["fc-list", ":lang=zh"], capture_output=True, text=True, check=False
        )
        if found.stdout.strip():
            return
    if not apt_install("fonts-noto-cjk", "fontconfig"):
        print(
            "No Chinese font: sudo apt install fonts-noto-cjk, for readable pictures."
        )


def ensure_gettext() -> None:
    if shutil.which("xgettext") or apt_install("gettext"):
        return
    sys.exit("The translation check needs gettext: sudo apt install gettext")


def apt_install(*packages: str) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    print(f"Installing {' '.join(packages)} with apt", flush=True)
    if subprocess.call(install, env=environment) == 0:
        return True
    subprocess.call(["apt-get", "update", "-q"], env=environment)
    return subprocess.call(install, env=environment) == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
