"""``/control/accounts``: what the console needs to be set up, and the modes."""

import re
from typing import Any

from django.http import HttpRequest

from sandbox import callbacks, pushing
from sandbox.control.door import bad, body_of, door, flag_of, missing, text_of
from sandbox.models import Account, Colleague, KfAccount


def find(slug: Any) -> Account:
    account = Account.objects.filter(pk=slug).first() if isinstance(slug, str) else None
    if account is None:
        raise missing(f"no account {slug!r}")
    return account


def described(account: Account) -> dict[str, Any]:
    body = {
        "slug": account.slug,
        "kind": account.kind,
        "name": account.name,
        "app_id": account.app_id,
        "gh_id": account.gh_id,
        "corp_id": account.corp_id,
        "agent_id": account.agent_id,
        "secret": account.secret,
        "token": account.token,
        "aes_key": account.aes_key,
        "mode": account.mode,
        "callback_url": callbacks.callback_url(account),
        "menu": account.menu,
        "mass_speed": account.mass_speed,
        "mass_needs_admin": account.mass_needs_admin,
        "mass_finishes_first": account.mass_finishes_first,
        "web_domains": account.web_domains,
        "colleagues": [],
        "kf_accounts": [],
    }
    if account.is_wecom:
        body["colleagues"] = list(
            Colleague.objects.filter(account=account)
            .order_by("pk")
            .values("userid", "name", "position")
        )
        body["kf_accounts"] = list(
            KfAccount.objects.filter(account=account)
            .order_by("pk")
            .values("open_kfid", "name")
        )
    return body


def index(request: HttpRequest) -> list[dict[str, Any]]:
    return [described(account) for account in Account.objects.order_by("kind", "slug")]


def show(request: HttpRequest, slug: str) -> dict[str, Any]:
    return described(find(slug))


def change(request: HttpRequest, slug: str) -> dict[str, Any]:
    """``{mode?, callback_url?, token?, aes_key?, secret?, mass_needs_admin?,
    mass_finishes_first?, web_domains?}``; "" resets the URL."""
    account, body = find(slug), body_of(request)
    if "mode" in body:
        _set_mode(account, body["mode"])
    if "callback_url" in body:
        url = text_of(body, "callback_url", longest=500, default="")
        if url and not re.match(r"https?://[^/?#]+", url):
            raise bad("callback_url must be an http or https URL")
        account.callback_override = url
    if "aes_key" in body:
        account.aes_key = text_of(body, "aes_key", longest=43)
        if not re.fullmatch(r"[A-Za-z0-9+/]{43}", account.aes_key):
            raise bad("aes_key must be 43 characters of base64")
    for name in ("token", "secret"):
        if name in body:
            setattr(account, name, text_of(body, name, longest=64))
    for name in ("mass_needs_admin", "mass_finishes_first"):
        setattr(account, name, flag_of(body, name, getattr(account, name)))
    if "web_domains" in body:
        account.web_domains = _domains(body["web_domains"])
    account.save()
    return described(account)


def _domains(given: Any) -> list[str]:
    """Host names as the platform's form takes them: no scheme, no path, and for
    machines like this one a port."""
    is_list = isinstance(given, list) and len(given) <= 10
    if not is_list or not all(isinstance(one, str) for one in given):
        raise bad("web_domains must be a list of at most 10 host names")
    names = [one.strip().lower() for one in given]
    if not all(re.fullmatch(r"[a-z0-9.\-]+(:\d+)?", one) for one in names):
        raise bad("web_domains must be host names without scheme and path")
    return names


def _set_mode(account: Account, mode: Any) -> None:
    if mode not in Account.Mode.values:
        raise bad(f"mode must be one of {', '.join(Account.Mode.values)}")
    if account.is_wecom and mode != Account.Mode.SAFE:
        raise bad("WeCom callbacks are always encrypted: mode must be safe")
    account.mode = mode


def verify(request: HttpRequest, slug: str) -> dict[str, Any]:
    """Do the platform's check of the callback URL now."""
    is_passed, reply = callbacks.verify(find(slug))
    return {
        "ok": is_passed,
        "status": reply.status,
        "answer": reply.answer[:500],
        "error": reply.error,
        "milliseconds": reply.milliseconds,
        "url": reply.url,
    }


def deliver(request: HttpRequest, slug: str) -> dict[str, Any]:
    """``{xml, openid?}``: push any plain body, signed and sealed as the mode says."""
    account, body = find(slug), body_of(request)
    xml = text_of(body, "xml", longest=200_000)
    openid = text_of(body, "openid", longest=32, default="")
    return {"ok": True, "pushes": pushing.queue(account, "raw", xml, openid=openid)}


collection = door(GET=index)
member = door(GET=show, POST=change)
delivery = door(POST=deliver)
verification = door(is_free=True, POST=verify)
