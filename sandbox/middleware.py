"""Two rules for every answer: the Date of the virtual clock, and who may steer."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from sandbox import clock
from sandbox.control.door import answer

Next = Callable[[HttpRequest], HttpResponse]
# The platforms' own paths; pictures are public there too.
OPEN = (
    "/cgi-bin/",
    "/sns/",
    "/connect/",
    "/mp/",
    "/qy/",
    "/s/",
    "/media/",
    "/healthz",
)
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


class VirtualDate:
    """The platforms' clients learn the clock from this header."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Date"] = http_date(clock.now())
        if not response.streaming and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        return response


class LoopbackOnly:
    """Only programs on this machine and our own pages steer the world.

    A page of another site that a developer has open could reach a loopback port too:
    its Origin gives it away, and a name re-bound to 127.0.0.1 shows in Host.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_open = request.path.startswith(OPEN)
        if not is_open and not self._is_ours(request):
            return answer(
                {
                    "code": "forbidden",
                    "message": "only from this machine and from its own page",
                },
                403,
            )
        return self.get_response(request)

    @staticmethod
    def _is_ours(request: HttpRequest) -> bool:
        host = request.META.get("HTTP_HOST", "")
        if request.META.get("REMOTE_ADDR") not in ("127.0.0.1", "::1"):
            return False
        if urlsplit(f"//{host}").hostname not in LOOPBACK_NAMES:
            return False
        if request.META.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site"):
            return request.META.get("HTTP_SEC_FETCH_MODE") == "navigate"
        origin = request.META.get("HTTP_ORIGIN")
        return origin is None or origin == f"http://{host}"
