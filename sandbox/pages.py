"""The phone page, pictures, and a sign of life."""

from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse

from sandbox import media
from sandbox.models import Media


def healthz(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


def picture(request: HttpRequest, name: str) -> HttpResponse:
    """A stored file under the name that ``PicUrl`` gave it."""
    row = Media.objects.filter(pk=name.partition(".")[0]).first()
    if row is None:
        raise Http404
    response = HttpResponse(media.content_of(row), content_type=row.content_type)
    response["X-Content-Type-Options"] = "nosniff"
    return response
