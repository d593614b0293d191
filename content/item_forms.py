"""The form an item is written with: what is told about it, and what it says."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from content import pictures, registry
from content.checking import FIELDS
from content.models import Item, Picture, Version
from content.models.items import TITLE_LENGTH
from staff.models import OrgUnit, Staff
from wechat.media import BadImage
from wechat.models import Account

INPUT = {"class": "pd-input", "autocomplete": "off"}
FACTS = (
    *("title", "org_unit", "owner", "subject", "category", "source_type"),
    *("product_tie", "cta"),
    *("rights", "rights_note"),
)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _area(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={**INPUT, "rows": rows})


class ItemForm(forms.Form):
    """Facts and words together; the fields the kind does not use are taken out."""

    title = forms.CharField(
        label=_("Title"),
        max_length=TITLE_LENGTH,
        help_text=_("For colleagues; customers don't see it."),
        widget=forms.TextInput(attrs=INPUT),
    )
    headline = forms.CharField(
        label=_("Headline"), required=False, widget=forms.TextInput(attrs=INPUT)
    )
    byline = forms.CharField(
        label=_("Author"), required=False, widget=forms.TextInput(attrs=INPUT)
    )
    summary = forms.CharField(
        label=pgettext_lazy("content", "Summary"),
        required=False,
        help_text=_("Empty: the first 54 characters of the article."),
        widget=_area(2),
    )
    picture = forms.FileField(
        label=_("Picture"),
        required=False,
        help_text=_("JPEG, PNG, GIF, WEBP or BMP, at most 10 MB."),
        widget=forms.FileInput(
            attrs={
                "class": "sr-only",
                "accept": "image/jpeg,image/png,image/gif,image/webp,image/bmp",
            }
        ),
    )
    body = forms.CharField(
        label=_("Text"), required=False, strip=False, widget=_area(10)
    )
    source_url = forms.CharField(
        label=_("“Read more” link"),
        required=False,
        widget=forms.URLInput(attrs={**INPUT, "placeholder": "https://"}),
    )
    org_unit = forms.ModelChoiceField(
        OrgUnit.objects.none(),
        label=_("Org unit"),
        empty_label=None,
        widget=forms.Select(attrs={"class": "pd-input"}),
    )
    owner = forms.ModelChoiceField(
        Staff.objects.none(),
        label=pgettext_lazy("content", "Owner"),
        empty_label=None,
        widget=forms.Select(attrs={"class": "pd-input"}),
    )
    subject = forms.ChoiceField(
        label=_("Content subject"),
        required=False,
        choices=[("", "–"), *Item.Subject.choices],
        help_text=_("Whoever opens its links is tagged with this interest."),
        widget=forms.Select(attrs={"class": "pd-input"}),
    )
    category = forms.ChoiceField(
        label=_("Product category"),
        required=False,
        widget=forms.Select(attrs={"class": "pd-input"}),
    )
    source_type = forms.ChoiceField(
        label=pgettext_lazy("content", "Source"),
        required=False,
        choices=[("", "–"), *Item.Source.choices],
        widget=forms.Select(attrs={"class": "pd-input"}),
    )
    product_tie = forms.CharField(
        label=_("Product tie"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs=INPUT),
    )
    cta = forms.CharField(
        label=_("Call to action"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs=INPUT),
    )
    rights = forms.ChoiceField(
        label=_("Rights"),
        choices=Item.Rights.choices,
        initial=Item.Rights.OWN,
        widget=forms.Select(attrs={"class": "pd-input"}),
    )
    rights_note = forms.CharField(
        label=_("Rights: note"),
        required=False,
        max_length=200,
        help_text=_("Author, licence and until when, or where the consent is kept."),
        widget=forms.TextInput(attrs=INPUT),
    )
    # The digest of the version the writer had before them.
    seen = forms.CharField(required=False, widget=forms.HiddenInput())
    # A picture chosen in a form that came back with a mistake elsewhere.
    kept_picture = forms.IntegerField(required=False, widget=forms.HiddenInput())

    def __init__(
        self, *args: Any, staff: Staff, kind: str, item: Item | None = None, **kw: Any
    ) -> None:
        super().__init__(*args, **kw)
        self.staff, self.kind, self.item = staff, kind, item
        self._leave_out_unused()
        units = OrgUnit.objects.visible_to(staff).filter(is_active=True)
        people = Staff.objects.visible_to(staff).filter(is_active=True, is_system=False)
        if item is not None:
            units = units.filter(controller_id=item.org_unit.controller_id)
        self._choices("org_unit", units.order_by("path"))
        self._choices("owner", people.order_by("display_name", "id"))
        self._offer_categories()
        if kind == Item.Kind.ARTICLE:
            self.fields["picture"].label = _("Cover")
            self.fields["body"].label = _("Article text")
            self.fields["body"].widget.attrs["rows"] = 16
            self.fields["body"].help_text = _(
                "Empty line: new paragraph. “# ” heading, “- ” list, “> ” quote, "
                "**bold**, [words](https://…) link."
            )

    def _leave_out_unused(self) -> None:
        used = {name.removesuffix("_id") for name in FIELDS[self.kind]}
        known = {name.removesuffix("_id") for name in Version.CONTENT_FIELDS}
        for name in known - used:
            del self.fields[name]

    def _choices(self, name: str, rows: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows

    def _offer_categories(self) -> None:
        """Of the catalogue; what the item names already stays, known or not."""
        known = registry.categories_for(self.staff)
        if self.item is not None and self.item.category:
            known.setdefault(self.item.category, self.item.category)
        field = self.fields["category"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "–"), *known.items()]

    def words(self) -> list[Any]:
        hidden = {"seen", "kept_picture"}
        return [self[n] for n in self.fields if n not in FACTS and n not in hidden]

    def facts(self) -> list[Any]:
        return [self[name] for name in FACTS if name != "title"]

    def clean_picture(self) -> Any:
        """Kept at once, so that a mistake elsewhere in the form does not lose it."""
        upload = self.cleaned_data.get("picture")
        if not upload:
            kept = self.data.get("kept_picture", "")
            rows = Picture.objects.visible_to(self.staff)
            return rows.filter(pk=int(kept)).first() if _is_id(kept) else None
        unit = self.item.org_unit if self.item else self._unit()
        if unit is None:
            return None
        try:
            return pictures.keep(upload.read(), unit, actor=self.staff)
        except BadImage as error:
            raise ValidationError(error.messages[0]) from None

    def _unit(self) -> OrgUnit | None:
        field = self.fields["org_unit"]
        try:
            return field.clean(self.data.get("org_unit"))  # type: ignore[no-any-return]
        except ValidationError:
            return None

    def content(self) -> dict[str, Any]:
        """Fields of Version by name; a picture only when a new one was chosen."""
        given = self.cleaned_data
        found = {
            name: given[name]
            for name in Version.CONTENT_FIELDS
            if name in self.fields and name != "picture_id"
        }
        if given.get("picture") is not None:
            found["picture_id"] = given["picture"].pk
        return found

    def told(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in FACTS}

    def refuse(self, fields: dict[str, list[str]]) -> None:
        """Put what the content itself refused beside the fields."""
        for name, texts in fields.items():
            field = name if name in self.fields else None
            for text in texts:
                self.add_error(field, text)

    @classmethod
    def initial_of(cls, item: Item, version: Version) -> dict[str, Any]:
        return {
            **{name: getattr(item, name) for name in FACTS},
            **version.content(),
            "seen": version.digest,
        }


class PlanForm(forms.Form):
    """Where and when a version goes out."""

    account = forms.ModelChoiceField(
        Account.objects.none(),
        label=_("Account"),
        empty_label=None,
        widget=forms.Select(attrs={"class": "pd-input"}),
    )
    publish_at = forms.DateTimeField(
        label=_("When"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(
            attrs={"class": "pd-input", "type": "datetime-local"},
            format="%Y-%m-%dT%H:%M",
        ),
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs=INPUT),
    )

    def __init__(self, *args: Any, accounts: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["account"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = accounts
