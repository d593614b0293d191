"""Migrate, seed and serve, in one command; SIGTERM and Ctrl-C stop it cleanly."""

import os


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"
    os.environ["SANDBOX_SERVER"] = str(os.getpid())
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connections
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    from sandbox import seeding

    settings.MEDIA_DIR.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    seeding.ensure()
    connections.close_all()
    Granian(
        "sandbox.wsgi:application",
        address="127.0.0.1",
        port=settings.PORT,
        interface=Interfaces.WSGI,
        workers=1,
        # A thread may be held for long by a fault; the others must go on.
        blocking_threads=64,
        websockets=False,
        # Do not wait for calls that a fault holds.
        workers_kill_timeout=2,
        log_level=LogLevels.error,
    ).serve()
