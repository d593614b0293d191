"""The menu under an official account's chat.

https://developers.weixin.qq.com/doc/service/api/custommenu/api_createcustommenu
"""

from typing import Any

from sandbox.api.registry import MP, OK, Answer, Call, Refusal, endpoint

# What a button of each type must carry.
NEEDS = {
    "click": "key",
    "view": "url",
    "scancode_push": "key",
    "scancode_waitmsg": "key",
    "pic_sysphoto": "key",
    "pic_photo_or_album": "key",
    "pic_weixin": "key",
    "location_select": "key",
    "media_id": "media_id",
    "article_id": "article_id",
    "article_view_limited": "article_id",
    "miniprogram": "pagepath",
}


@endpoint(MP, "POST", "menu/create")
def create(call: Call) -> Answer:
    buttons = call.json.get("button")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        raise Refusal(40017, "invalid button size")
    for button in buttons:
        _check_top(button)
    call.account.menu = {"button": buttons}
    call.account.save(update_fields=["menu"])
    return dict(OK)


def _check_top(button: Any) -> None:
    if not isinstance(button, dict):
        raise Refusal(40015, "invalid menu type")
    subs = button.get("sub_button")
    if not subs:
        _check(button, 16)
        return
    _check_name(button, 16)
    if not isinstance(subs, list) or len(subs) > 5:
        raise Refusal(40023, "invalid sub button size")
    for sub in subs:
        if not isinstance(sub, dict):
            raise Refusal(40015, "invalid menu type")
        _check(sub, 60)


def _check_name(button: dict[str, Any], most: int) -> None:
    name = button.get("name")
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= most:
        raise Refusal(40018, "invalid button name size")


def _check(button: dict[str, Any], most: int) -> None:
    _check_name(button, most)
    needed = NEEDS.get(str(button.get("type")))
    if needed is None:
        raise Refusal(40016, "invalid button type")
    value = button.get(needed)
    if not isinstance(value, str) or not value:
        raise Refusal(40019, f"invalid button {needed} size")
    if needed == "key" and len(value.encode()) > 128:
        raise Refusal(40019, "invalid button key size")
    if needed == "url" and len(value.encode()) > 1024:
        raise Refusal(40020, "invalid button url size")


@endpoint(MP, "GET", "menu/get")
def get(call: Call) -> Answer:
    if call.account.menu is None:
        raise Refusal(46003, "menu no exist")
    return {"menu": call.account.menu}


@endpoint(MP, "ANY", "menu/delete")
def delete(call: Call) -> Answer:
    call.account.menu = None
    call.account.save(update_fields=["menu"])
    return dict(OK)


@endpoint(MP, "GET", "get_current_selfmenu_info")
def effective(call: Call) -> Answer:
    if call.account.menu is None:
        return {"is_menu_open": 0}
    buttons = []
    for button in call.account.menu["button"]:
        subs = button.get("sub_button")
        buttons.append(
            {"name": button["name"], "sub_button": {"list": subs}} if subs else button
        )
    return {"is_menu_open": 1, "selfmenu_info": {"button": buttons}}
