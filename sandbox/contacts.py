"""What virtual people and colleagues do on WeCom, outside 微信客服."""

from typing import Any

from sandbox import clock, ids, people, pushing
from sandbox.models import Colleague, Friendship, Person, WelcomeCode
from sandbox.people import Impossible


def _push(friendship: Friendship, change: str, **more: Any) -> list[int]:
    account = friendship.colleague.account
    person, userid = friendship.person, friendship.colleague_id
    fields = {
        "ToUserName": account.corp_id,
        "FromUserName": "sys",
        "CreateTime": pushing.event_second(userid, person.id, change),
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": change,
        "UserID": userid,
        "ExternalUserID": person.external_userid,
        **more,
    }
    return pushing.queue(account, f"contact.{change}", fields, person)


def add(
    person: Person,
    colleague: Colleague,
    state: str,
    *,
    add_way: int = 1,
    is_half: bool = False,
    has_welcome: bool = True,
) -> list[int]:
    """Become contacts; who already is one only opens the chat again.

    ``is_half``: the person added a colleague with 免验证 who has not confirmed yet.
    """
    friendship, is_new = Friendship.objects.get_or_create(
        person=person,
        colleague=colleague,
        defaults={"createtime": int(clock.now()), "remark": person.name},
    )
    if not is_new and friendship.ended_at is None and friendship.is_confirmed:
        return []
    friendship.createtime = int(clock.now())
    friendship.state, friendship.add_way = state, add_way
    friendship.is_confirmed = not is_half
    friendship.ended_at, friendship.ended_by = None, ""
    friendship.save()
    more: dict[str, Any] = {"State": state} if state else {}
    if has_welcome:
        code = WelcomeCode.objects.create(
            code="CALLBACK" + ids.random_letters(40),
            friendship=friendship,
            created_at=clock.now(),
        )
        more["WelcomeCode"] = code.code
    text = f"添加了{colleague.name}" + ("，等待对方确认" if is_half else "")
    people.show(person, colleague.userid, "system", "event", text)
    kind = "add_half_external_contact" if is_half else "add_external_contact"
    return _push(friendship, kind, **more)


def active(person: Person, userid: str) -> Friendship:
    friendship = (
        Friendship.objects.select_related("colleague__account", "person")
        .filter(person=person, colleague_id=userid, ended_at=None)
        .first()
    )
    if friendship is None:
        raise Impossible("not_a_contact", "they are not contacts")
    return friendship


def end(friendship: Friendship, by: str, source: str = "") -> list[int]:
    """``by`` is ``person`` or ``colleague``: each direction has its own event."""
    friendship.ended_at, friendship.ended_by = clock.now(), by
    friendship.save(update_fields=["ended_at", "ended_by"])
    WelcomeCode.objects.filter(friendship=friendship).delete()
    name = friendship.colleague.name
    text = f"删除了{name}" if by == "person" else f"被{name}删除"
    people.show(friendship.person, friendship.colleague_id, "system", "event", text)
    if by == "person":
        return _push(friendship, "del_follow_user")
    more = {"Source": source} if source else {}
    return _push(friendship, "del_external_contact", **more)


def edit(friendship: Friendship, changes: dict[str, Any]) -> list[int]:
    """The colleague edits remark, description or tags in the client.

    A change of the phone numbers alone makes no event.
    """
    for name, value in changes.items():
        setattr(friendship, name, value)
    friendship.save()
    if set(changes) <= {"remark_mobiles"}:
        return []
    more = {"State": friendship.state} if friendship.state else {}
    return _push(friendship, "edit_external_contact", **more)


def chat(friendship: Friendship, text: str) -> list[int]:
    """The person writes to the colleague: no API sees it, but the chat has started,
    so no welcome message can be sent any more."""
    people.show(friendship.person, friendship.colleague_id, "person", "text", text)
    WelcomeCode.objects.filter(friendship=friendship).update(is_used=True)
    return []
