"""Access tokens: three spaces that know nothing of each other.

GET token makes a new one each time and lets the one before live five minutes more;
stable_token repeats the same until five minutes before its end; WeCom's gettoken
repeats the same until its end.
https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html
https://developer.work.weixin.qq.com/document/path/91039
"""

from sandbox import clock, ids, options
from sandbox.api.registry import MP, Call, Refusal
from sandbox.faults import REFUSALS
from sandbox.models import Account, Token
from sandbox.statements import Select

TOKEN = Select(Token, "WHERE t.value = %s")
OWNER = Select(
    Account, "JOIN sandbox_token k ON k.account_id = t.slug WHERE k.value = %s"
)


def owner(value: str) -> Account | None:
    return OWNER.first(value)


def check(call: Call) -> Account:
    """Whose token it is; refuses missing, unknown and dead ones."""
    value = call.query.get("access_token", "")
    if not value:
        raise Refusal(41001, "access_token missing")
    row, account = TOKEN.first(value), owner(value)
    if row is None or account is None or account.is_wecom == (call.platform == MP):
        raise Refusal(*REFUSALS[call.platform]["token_invalid"])
    if row.dies_at is not None and row.dies_at <= clock.now():
        raise Refusal(*REFUSALS[call.platform]["token_invalid"])
    if row.expires_at <= clock.now():
        raise Refusal(42001, "access_token expired")
    return account


def _issue(account: Account, kind: str) -> Token:
    now = clock.now()
    length, head = (211, "") if kind == Token.Kind.WECOM else (134, "97_")
    return Token.objects.create(
        value=head + ids.random_letters(length),
        account=account,
        kind=kind,
        issued_at=now,
        expires_at=now + float(options.get("token_lifetime_seconds")),
    )


def _current(account: Account, kind: str, margin: float) -> Token | None:
    """The newest token of the space with more than ``margin`` seconds to live."""
    return (
        Token.objects.filter(
            account=account,
            kind=kind,
            dies_at=None,
            expires_at__gt=clock.now() + margin,
        )
        .order_by("-issued_at")
        .first()
    )


def _retire(account: Account, kind: str) -> None:
    dies_at = clock.now() + float(options.get("token_overlap_seconds"))
    Token.objects.filter(account=account, kind=kind, dies_at=None).update(
        dies_at=dies_at
    )


def new_plain(account: Account) -> Token:
    _retire(account, Token.Kind.PLAIN)
    return _issue(account, Token.Kind.PLAIN)


def stable(account: Account, *, is_forced: bool) -> Token:
    """The standing token; forcing makes a new one and ends the old at once."""
    kind = Token.Kind.STABLE
    if is_forced:
        Token.objects.filter(account=account, kind=kind, dies_at=None).update(
            dies_at=clock.now()
        )
        return _issue(account, kind)
    current = _current(account, kind, float(options.get("stable_renew_seconds")))
    if current is not None:
        return current
    _retire(account, kind)
    return _issue(account, kind)


def wecom(account: Account) -> Token:
    return _current(account, Token.Kind.WECOM, 0) or _issue(account, Token.Kind.WECOM)


def seconds_left(token: Token) -> int:
    return max(0, int(token.expires_at - clock.now()))
