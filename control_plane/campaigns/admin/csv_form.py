"""The upload of items: the file, and on the second way the same content, once it was looked at."""

import base64
from typing import Any

from django import forms
from django.core import signing
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget

from control_plane.campaigns.item_csv import BYTES_MAX

SALT = "campaigns.items"
# Long enough to read the preview, and to ask somebody.
GOOD_FOR_S = 3600


class UploadForm(forms.Form):
    """`file` first; then `looked_at`, which is what the preview was made of, signed."""

    file = forms.FileField(label=_("CSV file"), required=False, widget=UnfoldAdminFileFieldWidget)
    looked_at = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_file(self) -> bytes | None:
        """Not read when it is too large."""
        file = self.cleaned_data["file"]
        if file is None or not file:
            return None
        if file.size > BYTES_MAX:
            raise forms.ValidationError(_("The file has more than %s kB.") % (BYTES_MAX // 1024))
        content: bytes = file.read()
        return content

    def clean(self) -> dict[str, Any]:
        """One of the two."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        values["confirmed"] = False
        if values.get("file"):
            values["content"] = values["file"]
        elif values.get("looked_at"):
            values["content"], values["confirmed"] = _opened(values["looked_at"]), True
        elif "file" not in self.errors:
            self.add_error("file", _("Choose a file."))
        return values

    @property
    def sealed(self) -> str:
        """What the page sends back to be written."""
        content = self.cleaned_data.get("content", b"")
        return signing.dumps(base64.b64encode(content).decode(), salt=SALT, compress=True)


def _opened(sealed: str) -> bytes:
    try:
        text = signing.loads(sealed, salt=SALT, max_age=GOOD_FOR_S)
    except signing.BadSignature:
        raise forms.ValidationError(_("Choose the file again, please.")) from None
    return base64.b64decode(text)
