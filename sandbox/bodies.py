"""XML bodies of callbacks, and their envelopes.

Field names and order are those of the platforms' samples: messages and events of
official accounts https://developers.weixin.qq.com/doc/service/guide/product/message/ ,
contact events https://developer.work.weixin.qq.com/document/path/92130 , kf 94670.
"""

from collections.abc import Mapping
from typing import Any

from sandbox import crypto
from sandbox.models import Account


def cdata(text: str) -> str:
    """One CDATA section, or two when the text itself holds the end mark."""
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def xml(fields: Mapping[str, Any]) -> str:
    """``<xml>`` with one element a line; numbers bare, text in CDATA, dicts nested."""
    lines = [f"<{name}>{_value(value)}</{name}>" for name, value in fields.items()]
    return "\n".join(["<xml>", *lines, "</xml>"])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{k}>{_value(v)}</{k}>" for k, v in value.items())
    if isinstance(value, list):
        return "".join(f"<item>{_value(item)}</item>" for item in value)
    return str(value) if isinstance(value, int) else cdata(str(value))


def wrap(account: Account, body: str) -> tuple[str, str]:
    """What goes over the wire for ``body``, and the sealed text in it ("" if none)."""
    if account.mode == Account.Mode.PLAIN:
        return body, ""
    sealed = crypto.encrypt(account.aes_key, account.receive_id, body)
    element = f"<Encrypt>{cdata(sealed)}</Encrypt>"
    if account.mode == Account.Mode.COMPAT:
        return body.removesuffix("</xml>") + element + "</xml>", sealed
    if account.is_wecom:
        head = f"<ToUserName>{cdata(account.corp_id)}</ToUserName>"
        agent = f"<AgentID>{cdata(account.agent_id)}</AgentID>"
        return f"<xml>{head}{element}{agent}</xml>", sealed
    head = f"<ToUserName>{cdata(account.gh_id)}</ToUserName>"
    return f"<xml>{head}{element}</xml>", sealed
