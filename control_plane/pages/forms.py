"""The form of a page's words and pictures."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from control_plane.pages import pictures
from control_plane.pages.addresses import check_pay_href, check_shop_href
from control_plane.pages.models import CampaignPage, ItemPage, Words
from control_plane.pages.pictures import Drawn
from control_plane.pages.services import ADDRESSES, TEXTS, Writing


class WordsForm(forms.ModelForm):
    """A campaign's or item's part of the page. It checks and draws; `services` writes."""

    upload = forms.FileField(
        label=_("New picture"),
        required=False,
        help_text=_(
            "JPEG, PNG or WebP, at most 5 MB. It is drawn anew; nothing else of it is kept."
        ),
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
    )
    remove_picture = forms.BooleanField(label=_("Without a picture"), required=False)

    class Meta:
        model = ItemPage
        fields: tuple[str, ...] = TEXTS
        widgets = {
            name: forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"})
            if name.startswith("text")
            else forms.TextInput(attrs={"class": "vTextField"})
            for name in TEXTS
        }

    def __init__(self, words: Words, **kwargs: Any) -> None:
        """Shows `words`, which are those of an item or of a campaign."""
        shown = self.Meta.fields
        super().__init__(initial={name: getattr(words, name) for name in shown}, **kwargs)
        self.words = words

    @property
    def thumbnail(self) -> str | None:
        """The name of the smallest width of the picture there is now."""
        files = self.words.picture.files.all() if self.words.picture else ()
        return min(files, key=lambda one: one.width).name if files else None

    def clean_upload(self) -> list[Drawn] | None:
        """The picture in all its widths; an error says what is wrong with it."""
        upload: UploadedFile | None = self.cleaned_data["upload"]
        if upload is None or upload.file is None:
            return None
        return pictures.draw(upload.file, upload.size or 0)

    def _post_clean(self) -> None:
        """No model instance is made of it: `services.write_page` does that."""

    @property
    def writing(self) -> Writing:
        """What to write, once the form is valid."""
        values = self.cleaned_data
        return Writing(
            {name: values[name] for name in TEXTS}, values["upload"], values["remove_picture"]
        )


class HeadForm(WordsForm):
    """A campaign's part: also where its shop is."""

    class Meta:
        model = CampaignPage
        fields = (*TEXTS, *ADDRESSES)
        widgets = WordsForm.Meta.widgets | {
            name: forms.TextInput(attrs={"class": "vTextField", "inputmode": "url"})
            for name in ADDRESSES
        }

    def clean_pay_href(self) -> str:
        """The model's rule, which `_post_clean` would have asked."""
        return self._checked("pay_href", check_pay_href)

    def clean_shop_href(self) -> str:
        """As above."""
        return self._checked("shop_href", check_shop_href)

    def _checked(self, name: str, check: Callable[[str], None]) -> str:
        value: str = self.cleaned_data[name]
        if value:
            check(value)
        return value

    @property
    def writing(self) -> Writing:
        """With the addresses."""
        addresses = {name: self.cleaned_data[name] for name in ADDRESSES}
        return replace(super().writing, addresses=addresses)
