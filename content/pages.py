"""The answer test console: which rule fires for a text, and why not the others."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from content import answering
from content.answering import Verdict
from content.forms import QuestionForm
from core import navigation
from core.pages import console_page
from core.registry import NavItem, Text, nav_items, site_urls

PERMISSION = "content.test_answerrule"
TONES = {
    Verdict.RULE: "good",
    Verdict.HUMAN: "part",
    Verdict.MISS: "idle",
    Verdict.OPT_OUT: "bad",
    Verdict.OPT_IN: "good",
}
# What follows from the decision, when no conversation is open.
CONSEQUENCES: dict[Verdict, Text] = {
    Verdict.RULE: gettext_lazy("The account sends the rule's answer."),
    Verdict.HUMAN: gettext_lazy(
        "A conversation opens and waits in the account's queue."
    ),
    Verdict.MISS: gettext_lazy(
        "The first time in a row the account sends a hint; the second time a "
        "conversation opens and waits in the account's queue."
    ),
    Verdict.OPT_OUT: gettext_lazy(
        "The opt-out is written down and confirmed; no marketing reaches the member."
    ),
    Verdict.OPT_IN: gettext_lazy("The consent is written down and confirmed."),
}


@permission_required(PERMISSION, raise_exception=True)
def test_console(request: HttpRequest) -> TemplateResponse:
    # POST, so that what customers wrote stands in no address or log.
    form = QuestionForm(request.POST or None, staff=request.user)  # type: ignore[arg-type]
    decision = None
    if request.method == "POST" and form.is_valid():
        decision = answering.match(
            form.cleaned_data["account"],
            form.cleaned_data["text"],
            form.moment(),
            explain=True,
        )
    context = {
        "form": form,
        "decision": decision,
        "tone": TONES[decision.verdict] if decision else "",
        "consequence": CONSEQUENCES[decision.verdict] if decision else "",
        "asked_at": form.moment() if decision else None,
    }
    return console_page(
        request,
        "content/test_console.html",
        title=_("Answer test console"),
        lead=_("Write as a customer would, and see which rule answers and why."),
        context=context,
    )


def register() -> None:
    """Put the page into the site and the side bar; called once, by ready()."""
    site_urls.append(("answers/test/", test_console, "answer_test"))
    nav_items.append(
        NavItem(
            group=navigation.CONTENT,
            title=gettext_lazy("Answer test console"),
            url_name="admin:answer_test",
            permission=PERMISSION,
            icon="science",
            order=600,
        )
    )
