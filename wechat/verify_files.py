"""`MP_verify_*.txt` and `WW_verify_*.txt`, which prove to a platform whose domain it is.

The platforms look for them at the root of the site:
https://developers.weixin.qq.com/doc/service/guide/h5/auth.html
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from wechat.models import VerifyFile

NAME = r"(?:MP|WW)_verify_[A-Za-z0-9]{1,60}\.txt"


@never_cache
@require_safe
def serve(request: HttpRequest, name: str) -> HttpResponse:
    """The file's content, for anybody; 404 for a name nobody entered."""
    found = VerifyFile.objects.filter(name=name).values_list("content", flat=True)
    content = found.first()
    if content is None:
        raise Http404
    return HttpResponse(content, content_type="text/plain; charset=utf-8")
