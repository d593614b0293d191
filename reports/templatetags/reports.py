"""How the values of metrics look."""

from __future__ import annotations

from decimal import Decimal

from django import template

from reports import trend

register = template.Library()


@register.filter
def measured(value: Decimal) -> str:
    """1,204 or 12.6."""
    return trend.shown(value)
