"""``granian --interface wsgi --workers 1 sandbox.wsgi:application``.

One process only: the push engine, the lock of the world and the settings cache live
in its memory.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "sandbox.settings"

application = get_wsgi_application()

from sandbox.pushing import engine  # noqa: E402  (needs the app registry)

engine.start()
