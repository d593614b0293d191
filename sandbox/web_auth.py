"""Web authorisation: who opens a page inside WeChat is told to it, if they may be.

https://developers.weixin.qq.com/doc/service/guide/h5/auth.html
The phone says who opens by a cookie; without it the page is not inside WeChat.
"""

from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from sandbox import clock, ids, people, world
from sandbox.models import Account, Person, WebCode

COOKIE = "sandbox_person"
SCOPES = ("snsapi_base", "snsapi_userinfo")
# Asking for less than this shows in the log as a link that leads nowhere.
PARAMETERS = ("appid", "redirect_uri", "response_type", "scope")


class Stopped(Exception):
    """A page of WeChat instead of a redirect; ``code`` as it shows there."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def authorize(request: HttpRequest) -> HttpResponse:
    """``appid, redirect_uri, response_type=code, scope, state``: back to the page with
    a code for the openid of whoever opened it."""
    try:
        target = _target(request)
    except Stopped as stopped:
        page = {"code": stopped.code, "message": str(stopped)}
        return render(request, "sandbox/stopped.html", page)
    response = HttpResponseRedirect(target)
    response["Cache-Control"] = "no-store"
    return response


def _target(request: HttpRequest) -> str:
    given = {name: request.GET.get(name, "") for name in (*PARAMETERS, "state")}
    account = Account.objects.filter(app_id=given["appid"]).exclude(app_id="").first()
    if account is None:
        raise Stopped("10013", "appid 不正确")
    if given["response_type"] != "code" or given["scope"] not in SCOPES:
        raise Stopped("10004", "参数不正确：response_type 必须是 code，且 scope 有效")
    if account.kind != Account.Kind.SERVICE:
        raise Stopped("10005", "该公众号没有这些 scope 的权限")
    _check_domain(account, given["redirect_uri"])
    if len(given["state"].encode()) > 128:
        raise Stopped("10004", "参数不正确：state 最长 128 字节")
    person = Person.objects.filter(pk=request.COOKIES.get(COOKIE, "")).first()
    if person is None:
        raise Stopped("", "请在微信客户端打开链接")
    return _with_code(given["redirect_uri"], account, person, given)


def _check_domain(account: Account, url: str) -> None:
    parts = urlsplit(url)
    is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    names = {parts.netloc.lower(), (parts.hostname or "").lower()}
    if not is_web or not names & set(account.web_domains):
        raise Stopped("10003", "redirect_uri 域名与后台配置不一致")


def _with_code(
    url: str, account: Account, person: Person, given: dict[str, str]
) -> str:
    with world.change():
        row = WebCode.objects.create(
            code="0" + ids.random_letters(31),
            follow=people.follow_of(person, account),
            scope=given["scope"],
            created_at=clock.now(),
        )
    parts = urlsplit(url)
    more = urlencode({"code": row.code, "state": given["state"]})
    query = f"{parts.query}&{more}" if parts.query else more
    return parts._replace(query=query).geturl()
