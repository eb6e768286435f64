"""The page of the whole trail, and the same as CSV."""

import csv as csv_format
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control_plane.config.audit.trail import SOURCES, Entry, Wanted, newest, people
from control_plane.config.dressing import dressed

PERMISSION = "config.view_audit"
PAGE = 50
# Lines of one moment stay on one page, since the next one begins before it: a transaction writes a
# handful of them.
OF_A_MOMENT_MAX = 100
# A table for a person's spreadsheet, not a backup.
CSV_LINES_MAX = 20_000
COLUMNS = ("at", "who", "about", "subject", "what", "reason")
# A cell that begins so is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
NOBODY = "0"


class FilterForm(forms.Form):
    """Who, what, when."""

    person = forms.ChoiceField(label=gettext_lazy("who"), required=False)
    source = forms.ChoiceField(label=gettext_lazy("what"), required=False)
    since = forms.DateTimeField(label=gettext_lazy("from"), required=False)
    until = forms.DateTimeField(label=gettext_lazy("until"), required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateTimeInput(
                attrs={"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S"
            )
        everybody = [("", _("everybody")), (NOBODY, _("no person: clock, system, command line"))]
        _choices(self, "person", [*everybody, *((str(one.pk), str(one)) for one in people())])
        sources = sorted((capfirst(source.title), source.name) for source in SOURCES)
        _choices(
            self, "source", [("", _("everything")), *((name, title) for title, name in sources)]
        )

    def wanted(self) -> Wanted:
        """What was asked for; what is wrong filters nothing and is said at its field."""
        self.is_valid()
        values = self.cleaned_data
        person = values.get("person")
        return Wanted(
            values.get("source") or "",
            int(person) if person else None,
            values.get("since"),
            values.get("until"),
        )


def _choices(form: forms.Form, name: str, choices: list[tuple[str, str]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


def trail(request: HttpRequest) -> HttpResponse:
    """The newest lines that fit, and the way to older ones."""
    _check(request)
    form = dressed(FilterForm(request.GET))
    wanted = form.wanted()
    before = parse_datetime(request.GET.get("before", "").replace(" ", "+"))
    found = newest(_older(wanted, before), PAGE + OF_A_MOMENT_MAX)
    end = PAGE
    while 0 < end < len(found) and found[end].at == found[end - 1].at:
        end += 1
    asked = {name: value for name, value in request.GET.items() if name in form.fields and value}
    older = {**asked, "before": found[end - 1].at.isoformat()} if len(found) > end else {}
    context = {
        **admin.site.each_context(request),
        "title": _("Audit trail"),
        "form": form,
        "lines": found[:end],
        "older": urlencode(older),
        "is_first": before is None,
        "asked": urlencode(asked),
    }
    return TemplateResponse(request, "admin/audit.html", context)


def csv(request: HttpRequest) -> HttpResponseBase:
    """The same lines for a spreadsheet, up to CSV_LINES_MAX."""
    _check(request)
    form = FilterForm(request.GET)
    lines = newest(form.wanted(), CSV_LINES_MAX)
    # The mark tells Excel that it is UTF-8.
    answer = StreamingHttpResponse(_rows(lines), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="audit-trail.csv"'
    return answer


def _check(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


def _older(wanted: Wanted, before: Any) -> Wanted:
    if before is None:
        return wanted
    until = before if wanted.until is None else min(before, wanted.until)
    return Wanted(wanted.source, wanted.person, wanted.since, until)


def _rows(lines: list[Entry]) -> Iterator[str]:
    yield "\ufeff" + _row(COLUMNS)
    for line in lines:
        at = line.at.isoformat(timespec="seconds")
        yield _row((at, line.who, line.about, line.subject, line.what, line.reason))


def _row(cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    safe = [f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells]
    csv_format.writer(out).writerow(safe)
    return out.getvalue()
