"""Every API request: fault, token, quota, handler, record, answer."""

import json
import time
from collections.abc import Iterator
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from sandbox import clock, faults, ids, models, world
from sandbox.api import (  # noqa: F401  (each module registers its calls)
    mp_drafts,
    mp_masses,
    mp_menus,
    mp_messages,
    mp_tags,
    mp_users,
    platform_media,
    platform_tokens,
    qr_codes,
    quotas,
    qy_contacts,
    qy_kf,
    qy_kf_sending,
    qy_ways,
    tokens,
    web_tokens,
)
from sandbox.api.registry import ENDPOINTS, MP, QY, Answer, Blob, Call, Refusal
from sandbox.faults import Struck
from sandbox.statements import Insert

# Records of longer bodies keep so much of each list: thousands of them must be readable.
LONG_BODY, LIST_KEPT = 8_000, 100
BAD_GATEWAY = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n"
    "</body>\r\n</html>\r\n"
)
HTML = (
    "<!DOCTYPE html><html><head><meta charset='utf-8'><title>微信</title></head>"
    "<body><p>系统繁忙，请稍后再试</p></body></html>"
)

add_record = Insert(models.Call)


def api(request: HttpRequest, path: str, prefix: str = "") -> HttpResponseBase:
    call = _read(request, "/" + path.lstrip("/"), prefix)
    struck = faults.strike(call.path)
    if struck is not None and not struck.lets_through:
        return _stopped(call, struck)
    with world.change():
        answer = _answer(call)
        _record(call, answer, 200, struck)
    for wait in call.before_answer:
        wait()
    try:
        if struck is not None and struck.seconds:
            time.sleep(struck.seconds)
        if struck is not None and struck.name == "accept_then_timeout":
            time.sleep(struck.hold_seconds)
            return _cut(b"", "application/json")
        response = _response(call, answer)
        if struck is not None and struck.name == "accept_then_cut":
            return _cut(response.content, response["Content-Type"])
        return response
    finally:
        for done in call.on_answered:
            done()


def _read(request: HttpRequest, path: str, prefix: str) -> Call:
    query = {name: str(value) for name, value in request.GET.items()}
    has_files = (request.content_type or "").startswith("multipart/")
    return Call(
        platform=prefix or _platform(path, query),
        method=request.method or "GET",
        path=path,
        query=query,
        raw=b"" if has_files else request.body,
        files=_files(request) if has_files else {},
        remote=request.META.get("REMOTE_ADDR", "127.0.0.1"),
    )


def _files(request: HttpRequest) -> "dict[str, UploadedFile[Any]]":
    """The last file of each form field."""
    return {name: files[-1] for name, files in request.FILES.lists() if files}


def _platform(path: str, query: dict[str, str]) -> str:
    """Both hosts have ``/cgi-bin/``: the path tells, else whose token it is."""
    homes = [home for home in (MP, QY) if (home, path) in ENDPOINTS]
    if len(homes) == 1:
        return homes[0]
    account = tokens.owner(query.get("access_token", ""))
    if account is not None:
        return QY if account.is_wecom else MP
    return QY if path.startswith(("/cgi-bin/externalcontact", "/cgi-bin/kf/")) else MP


def _answer(call: Call) -> Answer:
    """The answer's body. A refused call leaves nothing but its count."""
    try:
        endpoint = ENDPOINTS.get((call.platform, call.path))
        if endpoint is None:
            raise _unknown(call)
        if endpoint.method not in ("ANY", call.method):
            raise _wrong_verb(endpoint.method)
        if endpoint.needs_token:
            call.account = tokens.check(call)
            quotas.count(call.account, call.path)
        with transaction.atomic():
            return endpoint.handler(call)
    except Refusal as refusal:
        return _refused(call, refusal.errcode, refusal.errmsg) | refusal.more


def _unknown(call: Call) -> Refusal:
    if call.platform == MP:
        return Refusal(40066, "invalid url")
    return Refusal(48002, "api forbidden")


def _wrong_verb(wanted: str) -> Refusal:
    code = 43001 if wanted == "GET" else 43002
    return Refusal(code, f"require {wanted} method")


def _refused(call: Call, errcode: int, errmsg: str) -> dict[str, Any]:
    second = int(clock.now())
    if call.platform == MP:
        rid = f"{second:08x}-{ids.random_hex(8)}-{ids.random_hex(8)}"
        return {"errcode": errcode, "errmsg": f"{errmsg} rid: {rid}"}
    hint = f"{second}{ids.random_digits(15)}"
    return {
        "errcode": errcode,
        "errmsg": f"{errmsg}, hint: [{hint}], from ip: {call.remote}, more info at "
        f"https://open.work.weixin.qq.com/devtool/query?e={errcode}",
    }


def _stopped(call: Call, struck: Struck) -> HttpResponseBase:
    """Faults that come before any effect."""
    if struck.name == "http_502":
        _record(call, BAD_GATEWAY, 502, struck)
        return HttpResponse(BAD_GATEWAY, content_type="text/html", status=502)
    if struck.name == "html":
        _record(call, HTML, 200, struck)
        return HttpResponse(HTML, content_type="text/html; charset=utf-8")
    if struck.name == "cut":
        _record(call, None, 200, struck)
        return _cut(b'{"errcode":0,"errmsg":"ok"}', "application/json")
    errcode, errmsg = faults.refusal(call.platform, call.path, struck.name)
    answer = _refused(call, errcode, errmsg)
    _record(call, answer, 200, struck)
    return _response(call, answer)


def _response(call: Call, answer: Answer) -> HttpResponse:
    if isinstance(answer, Blob):
        response = HttpResponse(answer.content, content_type=answer.content_type)
        if answer.filename:
            response["Content-Disposition"] = content_disposition_header(
                True, answer.filename
            )
        return response
    text = json.dumps(answer, ensure_ascii=False)
    if call.platform == MP:
        return HttpResponse(text, content_type="application/json; encoding=utf-8")
    response = HttpResponse(text, content_type="application/json; charset=UTF-8")
    response["Error-Code"] = str(answer.get("errcode", 0))
    message = str(answer.get("errmsg", "ok"))
    response["Error-Msg"] = message.encode("ascii", "replace").decode()
    return response


def _cut(content: bytes, content_type: str) -> StreamingHttpResponse:
    """Half an answer: the server closes the connection when fewer bytes come than
    Content-Length promised."""

    def half() -> Iterator[bytes]:
        yield content[: len(content) // 2]
        # Let the half be sent before the connection goes.
        time.sleep(0.05)

    response = StreamingHttpResponse(half(), content_type=content_type)
    response["Content-Length"] = str(len(content) + 1)
    return response


def _record(
    call: Call, answer: Answer | str | None, status: int, struck: Struck | None
) -> None:
    if isinstance(answer, Blob):
        answer = {"content_type": answer.content_type, "size": len(answer.content)}
    token = call.query.get("access_token", "")
    account = getattr(call, "account", None) or tokens.owner(token)
    name = struck.name if struck else ""
    body, rest = _body(call)
    with world.change():
        call_id = add_record(
            at=clock.now(),
            real_at=time.time(),
            platform=call.platform,
            method=call.method,
            path=call.path[:200],
            query=call.query,
            body=body,
            is_cut=rest is not None,
            status=0 if name == "accept_then_timeout" else status,
            answer=answer,
            account_slug=account.slug if account else "",
            fault=name,
            delivered=name not in ("cut", "accept_then_timeout", "accept_then_cut"),
        )
        if rest is not None:
            models.CallBody.objects.create(call_id=call_id, text=rest)


def _body(call: Call) -> tuple[Any, str | None]:
    """What to record, and the whole text when that is only a part of it."""
    if call.files:
        return {
            name: {
                "filename": file.name,
                "content_type": file.content_type,
                "size": file.size,
            }
            for name, file in call.files.items()
        }, None
    text = call.raw.decode(errors="replace")
    try:
        body = json.loads(text) if text else None
    except ValueError:
        return text[:20_000], None
    if isinstance(body, dict) and len(text) > LONG_BODY:
        cut = {name: _cut_list(value) for name, value in body.items()}
        if cut != body:
            return cut, text
    return body, None


def _cut_list(value: Any) -> Any:
    return value[:LIST_KEPT] if isinstance(value, list) else value
