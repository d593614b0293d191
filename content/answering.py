"""Which rule answers a text, and why; the test console shows the same decision."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db import models
from django.utils.translation import gettext_lazy as _

from content.models import AnswerRule
from core.registry import Text
from wechat.models import Account

# Words the system itself understands, before any rule; written as `normalised` gives them.
OPT_OUT_WORDS = frozenset({"退订", "td", "退订回t", "退订回td", "取消订阅", "拒收"})
OPT_IN_WORDS = frozenset({"恢复订阅", "重新订阅"})
HUMAN_WORDS = frozenset({"人工", "转人工", "人工客服", "人工服务", "找人工"})


class Verdict(models.TextChoices):
    """What happens with a text when no conversation is open."""

    OPT_OUT = "opt_out", _("Opt out")
    OPT_IN = "opt_in", _("Opt in again")
    HUMAN = "human", _("Ask for a person")
    RULE = "rule", _("A rule answers")
    MISS = "miss", _("No rule answers")


@dataclass(frozen=True)
class Step:
    """One rule that was looked at, in order. `fired` for the first that matched."""

    rule: AnswerRule
    fired: bool
    why: Text


@dataclass(frozen=True)
class Decision:
    """`trace` holds every rule of the account when it was asked for, else nothing."""

    verdict: Verdict
    rule: AnswerRule | None
    why: Text
    trace: tuple[Step, ...] = ()


@dataclass(frozen=True)
class _Heard:
    """A text in the two forms that rules compare, made once for all rules."""

    folded: str
    bare: str


def normalised(text: str) -> str:
    """`text` as rules compare it.

    Full-width forms become half-width, case and repeated spaces go, and so do
    punctuation, symbols and spaces around it ("【人工】!" is "人工"). A text of nothing
    else keeps them.
    """
    folded = _folded(text)
    start, end = 0, len(folded)
    while start < end and _is_surrounding(folded[start]):
        start += 1
    while end > start and _is_surrounding(folded[end - 1]):
        end -= 1
    return folded[start:end] or folded


def _folded(text: str) -> str:
    """Width, case and repeated spaces made equal; punctuation as it is ("C++")."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


# Keywords are few and compared with every text.
_keyword_exact = lru_cache(maxsize=4096)(normalised)
_keyword_part = lru_cache(maxsize=4096)(_folded)


def _is_surrounding(char: str) -> bool:
    return unicodedata.category(char)[0] in "PSZCM"


def system_verdict(text: str) -> Verdict | None:
    """What a text of the system's own words asks for, whatever the rules say."""
    word = normalised(text)
    if word in OPT_OUT_WORDS:
        return Verdict.OPT_OUT
    if word in OPT_IN_WORDS:
        return Verdict.OPT_IN
    if word in HUMAN_WORDS:
        return Verdict.HUMAN
    return None


def match(
    account: Account, text: str, now: datetime, *, explain: bool = False
) -> Decision:
    """Decide what answers `text` on `account` at `now`.

    `explain` looks at every rule, also those that could not fire, and fills `trace`;
    without it one query of active rules is all.
    """
    system = system_verdict(text)
    if system is not None and not explain:
        return Decision(system, None, _SYSTEM_WHY[system])
    heard = _Heard(_folded(text), normalised(text))
    if not explain:
        rules = AnswerRule.objects.standing(account, AnswerRule.Occasion.KEYWORD)
        return _first([rule for rule in rules if rule.is_in_force(now)], heard)
    ordered = list(
        AnswerRule.objects.filter(
            account=account, occasion=AnswerRule.Occasion.KEYWORD
        ).order_by("priority", "id")
    )
    in_force = {rule.pk for rule in ordered if rule.is_in_force(now)}
    decision = (
        Decision(system, None, _SYSTEM_WHY[system])
        if system is not None
        else _first([rule for rule in ordered if rule.pk in in_force], heard)
    )
    trace = tuple(_step(rule, heard, now, decision) for rule in ordered)
    return Decision(decision.verdict, decision.rule, decision.why, trace)


_SYSTEM_WHY: dict[Verdict, Text] = {
    Verdict.OPT_OUT: _(
        "The words for opting out always count, whatever the rules say."
    ),
    Verdict.OPT_IN: _("The words for opting in again always count."),
    Verdict.HUMAN: _("Asking for a person always leads to the queue."),
}


def _first(rules: list[AnswerRule], heard: _Heard) -> Decision:
    for rule in rules:
        keyword = _hit(rule, heard)
        if keyword is not None:
            return Decision(Verdict.RULE, rule, _why_fired(rule, keyword))
    return Decision(Verdict.MISS, None, _("No rule in force matches the text."))


def _hit(rule: AnswerRule, heard: _Heard) -> str | None:
    """The keyword of the rule that the text meets."""
    is_exact = rule.match == AnswerRule.Match.EXACT
    whole = heard.bare if is_exact else heard.folded
    for keyword in rule.keywords:
        wanted = _keyword_exact(keyword) if is_exact else _keyword_part(keyword)
        if wanted and (wanted == whole if is_exact else wanted in whole):
            return str(keyword)
    return None


def _why_fired(rule: AnswerRule, keyword: str) -> Text:
    if rule.match == AnswerRule.Match.EXACT:
        return _("The text is exactly the keyword “%(keyword)s”.") % {
            "keyword": keyword
        }
    return _("The text contains the keyword “%(keyword)s”.") % {"keyword": keyword}


def _step(rule: AnswerRule, heard: _Heard, now: datetime, decision: Decision) -> Step:
    if decision.rule is not None and decision.rule.pk == rule.pk:
        return Step(rule, True, decision.why)
    return Step(rule, False, _why_not(rule, heard, now, decision))


def _why_not(
    rule: AnswerRule, heard: _Heard, now: datetime, decision: Decision
) -> Text:
    if not rule.is_active:
        return _("Switched off.")
    if rule.valid_from and now < rule.valid_from:
        return _("Not valid yet.")
    if rule.valid_to and now >= rule.valid_to:
        return _("No longer valid.")
    keyword = _hit(rule, heard)
    if keyword is None:
        return _("None of its keywords match.")
    if decision.rule is not None:
        return _("Would match “%(keyword)s”, but a rule before it answered.") % {
            "keyword": keyword
        }
    return _("Would match “%(keyword)s”, but the system's own words come first.") % {
        "keyword": keyword
    }
