"""``granian --interface wsgi --workers 1 sandbox.wsgi:application``.

One process only: the push engine, the lock of the world and the settings cache live
in its memory.
"""

import os
import threading
import time

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"

application = get_wsgi_application()

# They need the app registry.
from sandbox import mass_engine, pushing  # noqa: E402

pushing.engine.start()
mass_engine.engine.start()


def _die_with(parent: int) -> None:
    """Leave when the server that started this worker was killed: it would keep the
    port, and the next start would fail."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if os.environ.get("SANDBOX_SERVER") == str(os.getppid()):
    threading.Thread(
        target=_die_with, args=(os.getppid(),), name="parent", daemon=True
    ).start()
