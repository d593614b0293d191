"""The recap as PDF.

Chinese is set in STSong-Light, one of the fonts every PDF reader brings or replaces for
the character collection Adobe-GB1 (docs/adr/): no font file has to be shipped.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.translation import gettext as _
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table

from campaigns.models import Campaign, Recap
from core.templatetags.console import moment
from reports import tables
from reports.tables import Figure, Tables

FONT = "STSong-Light"
LINE = colors.HexColor("#d4d4d8")
MUTED = colors.HexColor("#52525b")
BODY = ParagraphStyle(
    "body", fontName=FONT, fontSize=9.5, leading=14, wordWrap="CJK", splitLongWords=1
)
SMALL = ParagraphStyle("small", BODY, fontSize=8, leading=11, textColor=MUTED)
NUMBER = ParagraphStyle("number", BODY, alignment=TA_RIGHT)
HEAD = ParagraphStyle("head", BODY, fontSize=12, leading=18, spaceBefore=10)
TITLE = ParagraphStyle("title", BODY, fontSize=18, leading=26)
MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN


def draw(recap: Recap, campaign: Campaign) -> bytes:
    """The document, in the language in force."""
    _register_font()
    told = tables.of(recap)
    into = BytesIO()
    document = SimpleDocTemplate(
        into,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=_plain(_("Recap of %(campaign)s") % {"campaign": campaign}),
        author="",
    )
    story = [*_front(recap, campaign), *_figures(told), *_by_touch(told)]
    story += [*_reasons(told), *_links(told), *_words(recap)]
    foot = _foot(recap)
    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return into.getvalue()


def _register_font() -> None:
    if FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(FONT))


def _plain(value: Any) -> str:
    """Characters outside the font's plane (emoji, rare names) are shown as □."""
    return "".join(each if ord(each) < 0x10000 else "□" for each in str(value))


def _text(value: Any, style: ParagraphStyle = BODY) -> Paragraph:
    return Paragraph(escape(_plain(value)).replace("\n", "<br/>"), style)


def _front(recap: Recap, campaign: Campaign) -> list[Flowable]:
    version = _("Version %(number)s") % {"number": recap.number}
    state = (
        _("locked on %(at)s by %(who)s")
        % {"at": moment(recap.locked_at), "who": recap.locked_by}
        if recap.locked_at
        else _("draft: figures still change")
    )
    live = date_format(campaign.live_date, "Y-m-d")
    lines = [
        f"{campaign.org_unit} · {campaign.owner} · T0 {live}",
        f"{version} · {state}",
        _("Figures as of %(at)s") % {"at": _moment_long(recap.as_of)},
    ]
    title = _("Recap of %(campaign)s") % {"campaign": campaign}
    return [_text(title, TITLE), *(_text(line, SMALL) for line in lines)]


def _moment_long(value: Any) -> str:
    return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"


def _figures(told: Tables) -> list[Flowable]:
    rows = [
        [
            _text(f"{figure.metric.code} {figure.metric.name}"),
            _text(_number(figure), NUMBER),
            _text(
                " · ".join(filter(None, [figure.note, figure.metric.formula])), SMALL
            ),
        ]
        for figure in told.total
    ]
    rows += [
        [_text(name), _text("–", NUMBER), _text(why, SMALL)]
        for name, why in told.untold
    ]
    words = _("Planned = sent + failed + unknown + excluded + waiting: %(equation)s")
    grain = _("Clicks are counted %(grain)s.") % {"grain": told.grain}
    return [
        _text(_("In total"), HEAD),
        _table(rows, [38 * mm, 24 * mm, WIDTH - 62 * mm]),
        Spacer(0, 4),
        _text(words % {"equation": told.equation}, SMALL),
        _text(grain, SMALL),
    ]


def _number(figure: Figure) -> str:
    return "–" if figure.value is None else f"{figure.value:,}"


def _by_touch(told: Tables) -> list[Flowable]:
    story: list[Flowable] = [_text(_("By touch"), HEAD)] if told.touches else []
    for touch in told.touches:
        cells = [f"{each.metric.name} {_number(each)}" for each in touch.figures]
        story += [
            _text(touch.name),
            _text(f"{touch.channel} · {touch.account} · {touch.state}", SMALL),
            _text("　".join(cells), SMALL),
            Spacer(0, 5),
        ]
    return story


def _reasons(told: Tables) -> list[Flowable]:
    story: list[Flowable] = []
    for title, lines in (
        (_("Excluded, by reason"), told.excluded),
        (_("Failed, by reason"), told.failed),
    ):
        if lines:
            rows = [
                [
                    _text(line.label),
                    _text(f"{line.people:,}", NUMBER),
                    _text(line.advice, SMALL),
                ]
                for line in lines
            ]
            widths = [38 * mm, 24 * mm, WIDTH - 62 * mm]
            story += [_text(title, HEAD), _table(rows, widths)]
    return story


def _links(told: Tables) -> list[Flowable]:
    if not told.links:
        return []
    names = [_("Link"), _("Openings"), _("People")]
    rows = [[_text(names[0], SMALL), *(_text(n, NUMBER) for n in names[1:])]]
    rows += [
        [
            _text(f"{line.url} · {line.touch_name}", SMALL),
            _text(f"{line.openings:,}", NUMBER),
            _text("–" if line.people is None else f"{line.people:,}", NUMBER),
        ]
        for line in told.links
    ]
    widths = [WIDTH - 48 * mm, 24 * mm, 24 * mm]
    return [_text(_("Links"), HEAD), _table(rows, widths)]


def _words(recap: Recap) -> list[Flowable]:
    written = recap.learnings or _("Nothing was written down yet.")
    return [_text(_("Learnings"), HEAD), _text(written)]


def _table(rows: list[list[Flowable]], widths: list[float]) -> Table:
    return Table(
        rows,
        colWidths=widths,
        hAlign="LEFT",
        style=[
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ],
    )


def _foot(recap: Recap) -> Any:
    words = _plain(
        _("Figures as of %(at)s") % {"at": _moment_long(recap.as_of)}
        + f" · v{recap.number}"
    )

    def draw_foot(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setFont(FONT, 8)
        canvas.setFillColor(MUTED)
        canvas.drawString(MARGIN, 10 * mm, words)
        canvas.drawRightString(A4[0] - MARGIN, 10 * mm, str(document.page))
        canvas.restoreState()

    return draw_foot
