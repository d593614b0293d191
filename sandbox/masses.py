"""Mass sends: accepted by a call, delivered in the background, told by an event.

https://developers.weixin.qq.com/doc/service/guide/product/message/Batch_Sends.html
Each user of a service account receives at most four mass messages a calendar month;
the excess is dropped person by person, and no call is refused for it.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from sandbox import clock, ids, options, pushing
from sandbox.api import quotas
from sandbox.models import Account, Article, Follow, Mass, MassList

OPEN = (Mass.State.WAITING, Mass.State.SENDING)
SUCCESS = "send success"
ADMIN_REFUSED, ADMIN_SILENT = "err(40001)", "err(40002)"
# The plus keeps SQLite from walking all followers of the account.
REACHED = """
    WHERE +account_id = %s AND subscribed AND (mass_month <> %s OR mass_used < %s)
    AND openid IN (SELECT value FROM json_each(%s))
"""
SHOW = f"""
    INSERT INTO sandbox_message
    (person_id, address, sender, type, text, extra, at, mass_id)
    SELECT person_id, account_id, 'account', %s, '', '{{}}', %s, %s
    FROM sandbox_follow {REACHED}
"""  # noqa: S608
COUNT = f"""
    UPDATE sandbox_follow SET mass_month = %s,
    mass_used = CASE WHEN mass_month = %s THEN mass_used + 1 ELSE 1 END {REACHED}
"""  # noqa: S608


@dataclass(frozen=True)
class Content:
    """What people will see: as on a line of their screen."""

    type: str
    text: str
    extra: dict[str, Any] = field(default_factory=dict)
    draft_id: str = ""


@dataclass(frozen=True)
class Audience:
    """``openids`` of a call, or everybody, or the followers with a tag."""

    openids: list[str] | None = None
    tag_id: int | None = None

    @property
    def is_to_all(self) -> bool:
        return self.openids is None and self.tag_id is None


def accept(
    account: Account, content: Content, audience: Audience, clientmsgid: str
) -> Mass:
    """Take the job. It waits for the administrator if the account is protected."""
    if audience.openids is not None:
        total = len(audience.openids)
    else:
        total = reached(account, audience.tag_id).count()
    needs_admin = account.mass_needs_admin
    mass = Mass.objects.create(
        account=account,
        is_to_all=audience.is_to_all,
        tag_id=audience.tag_id,
        type=content.type,
        text=content.text,
        extra=content.extra,
        draft_id=content.draft_id,
        clientmsgid=clientmsgid,
        created_at=clock.now(),
        started_at=None if needs_admin else clock.now(),
        state=Mass.State.WAITING if needs_admin else Mass.State.SENDING,
        per_minute=options.get("mass_people_per_minute")[account.mass_speed],
        total=total,
    )
    if audience.openids is not None:
        MassList.objects.create(mass=mass, openids=json.dumps(audience.openids))
    return mass


def reached(account: Account, tag_id: int | None) -> "QuerySet[Follow]":
    """The followers, or those of them who have the tag."""
    rows = Follow.objects.filter(account=account, subscribed=True)
    if tag_id is None:
        return rows
    return rows.extra(
        where=["EXISTS (SELECT 1 FROM json_each(tag_ids) WHERE value = %s)"],
        params=[tag_id],
    )


def decide(mass: Mass, *, is_confirmed: bool, status: str = ADMIN_REFUSED) -> None:
    """What the administrator of a protected account answers."""
    if is_confirmed:
        mass.state, mass.started_at = Mass.State.SENDING, clock.now()
        mass.save(update_fields=["state", "started_at"])
    else:
        fail(mass, status)


def fail(mass: Mass, status: str) -> None:
    mass.state, mass.status = Mass.State.FAILED, status
    mass.finished_at = clock.now()
    _tell(mass)
    mass.save(update_fields=["state", "status", "finished_at", "finish_push"])


def is_overdue(mass: Mass) -> bool:
    """Nobody confirmed in time."""
    waited = clock.now() - mass.created_at
    return waited > float(options.get("mass_admin_seconds"))


def due(mass: Mass) -> int:
    """How many more people the job's speed has reached by now."""
    spent = max(0.0, clock.now() - (mass.started_at or 0))
    reached = 1 + int(spent * mass.per_minute / 60)
    return min(mass.total, reached) - mass.done


def openids_of(mass: Mass) -> list[str]:
    row = MassList.objects.filter(mass=mass).first()
    return list(json.loads(row.openids)) if row else []


def deliver(mass: Mass, openids: list[str]) -> None:
    """Bring the message to these people: who unfollowed, is unknown or had this
    month's four is passed over."""
    month = quotas.period("%Y-%m")
    most = options.get("mass_per_user_month")
    condition: list[Any] = [mass.account_id, month, most, json.dumps(openids)]
    with connection.cursor() as cursor:
        line: list[Any] = [mass.type, clock.now(), mass.pk]
        cursor.execute(SHOW, [*line, *condition])
        mass.sent += cursor.rowcount
        cursor.execute(COUNT, [month, month, *condition])
    mass.done += len(openids)
    if mass.done >= mass.total:
        _finish(mass)
    mass.save(
        update_fields=[
            "done",
            "newest_follow",
            "sent",
            "state",
            "status",
            "finished_at",
            "finish_push",
        ]
    )


def received_this_month(follow: Follow) -> int:
    return follow.mass_used if follow.mass_month == quotas.period("%Y-%m") else 0


def next_of_tag(mass: Mass, count: int) -> list[str]:
    """The next followers of a job to all or to a tag; remembers how far it came."""
    rows = list(
        reached(mass.account, mass.tag_id)
        .filter(pk__gt=mass.newest_follow)
        .order_by("pk")
        .values_list("pk", "openid")[:count]
    )
    if not rows:
        mass.done = mass.total  # the rest unfollowed meanwhile
        return []
    mass.newest_follow = rows[-1][0]
    return [openid for _, openid in rows]


def _finish(mass: Mass) -> None:
    mass.state, mass.status = Mass.State.DONE, SUCCESS
    mass.finished_at = clock.now()
    _tell(mass)


def _tell(mass: Mass) -> None:
    """MASSSENDJOBFINISH. ``FilterCount`` counts whom the filters let through."""
    account = mass.account
    assistant = ids.openid(account.openid_prefix, "mass assistant")
    fields: dict[str, Any] = {
        "ToUserName": account.gh_id,
        "FromUserName": assistant,
        "CreateTime": int(clock.now()),
        "MsgType": "event",
        "Event": "MASSSENDJOBFINISH",
        "MsgID": mass.pk,
        "Status": mass.status,
        "TotalCount": mass.total,
        "FilterCount": mass.sent,
        "SentCount": mass.sent,
        "ErrorCount": 0,
    }
    if mass.type == "mpnews" and mass.status == SUCCESS:
        fields |= _article_results(mass)
    pushes = pushing.queue(
        account,
        "event.MASSSENDJOBFINISH",
        fields,
        openid=assistant,
        after_seconds=0
        if account.mass_finishes_first
        else float(options.get("mass_finish_seconds")),
    )
    mass.finish_push = pushes[0]


def _article_results(mass: Mass) -> dict[str, Any]:
    articles = mass.extra["articles"]
    return {
        "CopyrightCheckResult": {"Count": 0, "ResultList": "", "CheckState": 1},
        "ArticleUrlResult": {
            "Count": len(articles),
            "ResultList": [
                {"ArticleIdx": number, "ArticleUrl": one["url"]}
                for number, one in enumerate(articles, start=1)
            ],
        },
    }


def delete_articles(mass: Mass, position: int | None) -> None:
    """Take down one article's page (1 is the first) or all of them, for every send
    of the same draft."""
    pages = Article.objects.filter(draft_id=mass.draft_id)
    if position is not None:
        pages = pages.filter(position=position - 1)
    pages.update(is_deleted=True)
    gone = set(pages.values_list("position", flat=True))
    for row in Mass.objects.filter(account=mass.account, draft_id=mass.draft_id):
        for number, article in enumerate(row.extra["articles"]):
            if number in gone:
                article["is_deleted"] = True
        row.is_deleted = all(one.get("is_deleted") for one in row.extra["articles"])
        row.save(update_fields=["extra", "is_deleted"])
