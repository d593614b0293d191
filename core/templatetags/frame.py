"""What the frame around every page is drawn with."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import template
from django.contrib import admin
from django.db.models import Model
from django.db.models.options import Options
from django.template.base import NodeList, Parser, Token
from django.template.context import Context
from django.urls import get_script_prefix, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeData, SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import get_language

register = template.Library()

# Of one place in a template: a handful in life, and a bound whatever is asked for.
MOST_KEPT = 64


class Frame:
    """What the theme's settings say of every page; `values` are names of a template."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


class KeptNode(template.Node):
    """Draws once per process, language and values, see `kept`."""

    def __init__(self, nodelist: NodeList, names: list[str]) -> None:
        self.nodelist, self.names = nodelist, names
        self._kept: dict[tuple[Any, ...], SafeString] = {}

    def render(self, context: Context) -> SafeString:
        frame = context.get("frame")
        values = {name: context.get(name) for name in self.names}
        key = (frame, get_language(), get_script_prefix(), *values.values())
        drawn = self._kept.get(key)
        if drawn is None:
            drawn = self.nodelist.render(_bare(context, frame, values))
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = drawn
        return drawn


def _bare(context: Context, frame: Frame | None, values: dict[str, Any]) -> Context:
    """Of the page nothing: what is kept for others must not know whose it was."""
    bare = context.new({**(frame.values if frame else {}), **values})
    if hasattr(bare, "request"):
        bare.request = None
    return bare


@register.tag
def kept(parser: Parser, token: Token) -> KeptNode:
    """`{% kept name … %}…{% endkept %}`: a part that is the same on every page.

    Inside, only the named variables (hashable) and those of the theme's settings are in
    sight; no request, nobody's name, no CSRF token.
    """
    _tag, *names = token.split_contents()
    nodelist = parser.parse(("endkept",))
    parser.delete_first_token()
    return KeptNode(nodelist, names)


class Crumb(NamedTuple):
    title: str
    link: str = ""
    is_app: bool = False


@register.simple_tag(takes_context=True)
def crumbs(context: Context) -> SafeString:
    """The way to the page: app, list as the menu calls it, row as its admin does."""
    way: list[Crumb] = []
    for crumb in _way(context):
        if not way or way[-1].title != crumb.title:
            way.append(crumb)
    between = '<span class="pd-crumb-between" aria-hidden="true">›</span>'
    shown = [_draw(crumb) for crumb in way]
    return format_html(
        '<span class="pd-crumbs">{}</span>',
        mark_safe(between.join(shown)),  # noqa: S308  each made by format_html
    )


def _draw(crumb: Crumb) -> SafeString:
    title, link, is_app = crumb
    if not link:
        return format_html('<span class="pd-crumb">{}</span>', title)
    # On a phone only what is one step above stands before the title, if it is no app.
    kind = "pd-crumb pd-crumb-app" if is_app else "pd-crumb"
    return format_html('<a href="{}" class="{}">{}</a>', link, kind, title)


def _way(context: Context) -> list[Crumb]:
    """Titles with addresses, as the theme's `header_title` finds them."""
    opts = context.get("opts")
    row = context.get("original")
    if row is None or isinstance(row, str) or not opts:
        row = context.get("object")
    page = context.get("model_admin")
    way = []
    if opts:
        way = [_app(opts), *(_row(row) if row else [_list(opts)])]
    elif row:
        way = [_app(row._meta), *_row(row)]
    elif page is not None:
        way = [_app(page.opts), _list(page.opts)]
    for place in context.get("above") or ():
        way += _above(context, place)
    title = context.get("content_title")
    if title and not opts:
        way.append(Crumb(_capitalised(title)))
    return way


def _above(
    context: Context, place: type[Model] | Model | tuple[Any, str]
) -> list[Crumb]:
    """What stands before the title of a page of our own (core.pages.console_page)."""
    if isinstance(place, tuple):
        return [Crumb(str(place[0]), place[1])]
    page = admin.site._registry.get(place if isinstance(place, type) else type(place))
    if page is None or not page.has_view_or_change_permission(context["request"]):
        return []
    return [_list(place._meta)] if isinstance(place, type) else _row(place)


def _app(opts: Options[Any]) -> Crumb:
    link = reverse("admin:app_list", args=[opts.app_label])
    return Crumb(capfirst(str(opts.app_config.verbose_name)), link, is_app=True)


def _list(opts: Options[Any]) -> Crumb:
    page = admin.site._registry.get(opts.model)
    title = getattr(page, "nav_title", opts.verbose_name_plural)
    link = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    return Crumb(capfirst(str(title)), link)


def _row(row: Model) -> list[Crumb]:
    opts = row._meta
    told = getattr(admin.site._registry.get(type(row)), "heading", str)
    link = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
    return [_list(opts), Crumb(str(told(row)), link)]


def _capitalised(title: str) -> str:
    """With a capital letter in front, and still markup if it was."""
    written = capfirst(title)
    return mark_safe(written) if isinstance(title, SafeData) else written  # noqa: S308
