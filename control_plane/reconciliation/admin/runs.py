"""Comparisons of all sides in the admin: a list, a report page each, and its findings as files."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from control_plane.config.history import log_deed
from control_plane.config.read_only_admin import ReadOnlyAdmin
from control_plane.reconciliation import downloads
from control_plane.reconciliation.models import (
    Finding,
    FindingKind,
    Outcome,
    Repair,
    RepairOutcome,
    Run,
)
from control_plane.reconciliation.whats import repair_words, words

PAGE = 100
DOWNLOAD = "reconciliation.download_findings"
MENDED = [RepairOutcome.DONE, RepairOutcome.NOT_NEEDED]
# Of the style sheet's states.
LOOKS = {Outcome.BALANCED: "live", Outcome.FINDINGS: "wrong", Outcome.UNKNOWN: "unknown"}


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Whoever compares writes them."""

    list_display = ("campaign", "said", "open_ones", "found", "kind", "started_at")
    list_filter = ("outcome", "kind")
    list_select_related = ("campaign",)
    search_fields = ("campaign__slug", "campaign__title")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """With how much of it waits for a person, in the list's one query.

        Counted for the runs of a page alone: a join would count for all before it takes a page.
        """
        unmended = Q(repair__isnull=True) | ~Q(repair__outcome__in=MENDED)
        of_run = Finding.objects.filter(unmended, run=OuterRef("pk"), is_notice=False)
        count = of_run.order_by().values("run").annotate(count=Count("pk")).values("count")
        found: QuerySet[Run] = super().get_queryset(request)
        return found.annotate(waiting=Coalesce(Subquery(count), 0))

    @admin.display(description=_("outcome"))
    def said(self, run: Run) -> SafeString:
        """In its colour."""
        look = LOOKS[Outcome(run.outcome)]
        return format_html(
            '<span class="state state-{}">{}</span>', look, run.get_outcome_display()
        )

    @admin.display(description=_("open findings"))
    def open_ones(self, run: Any) -> int | str:
        """For a person."""
        return "–" if run.outcome == Outcome.UNKNOWN else run.waiting

    @admin.display(description=_("findings by kind"))
    def found(self, run: Run) -> str:
        """How many of each."""
        kinds = (f"{FindingKind(kind).label}: {count}" for kind, count in run.counts.items())
        return " · ".join(map(str, kinds)) or "–"

    def get_urls(self) -> list[URLPattern]:
        """The files in front of the admin's own."""
        page = self.admin_site.admin_view
        files = (("csv", self.csv_view), ("parquet", self.parquet_view))
        return [
            *(
                path(
                    f"<int:run_id>/findings.{kind}",
                    page(view),
                    name=f"reconciliation_run_{kind}",
                )
                for kind, view in files
            ),
            *super().get_urls(),
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The report."""
        run = self.get_object(request, object_id) if object_id else None
        if object_id is None or not self.has_view_permission(request, run):
            raise PermissionDenied
        if run is None:
            raise Http404
        kind = request.GET.get("kind", "")
        chosen = run.findings.select_related("repair").order_by("is_notice", "pk")
        if kind in FindingKind.values:
            chosen = chosen.filter(kind=kind)
        findings = Paginator(chosen, PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Reconciliation of all sides"),
            "opts": self.opts,
            "run": run,
            "look": LOOKS[Outcome(run.outcome)],
            "kinds": list(_kinds(run)),
            "chosen": kind,
            "findings": findings,
            "lines": [(one, words(one), *_repair(one)) for one in findings],
            "may_download": request.user.has_perm(DOWNLOAD),
            "is_cut": any(count > shown for *_, count, shown in _stored(run)),
        }
        return TemplateResponse(request, "admin/reconciliation/run.html", context)

    def csv_view(self, request: HttpRequest, run_id: int) -> StreamingHttpResponse:
        """For a spreadsheet."""
        run = self._to_download(request, run_id)
        return _file(downloads.as_csv(run), "text/csv; charset=utf-8", f"findings-{run.pk}.csv")

    def parquet_view(self, request: HttpRequest, run_id: int) -> StreamingHttpResponse:
        """For whoever computes on."""
        run = self._to_download(request, run_id)
        kind = "application/vnd.apache.parquet"
        return _file(downloads.as_parquet(run), kind, f"findings-{run.pk}.parquet")

    def _to_download(self, request: HttpRequest, run_id: int) -> Run:
        if not request.user.has_perm(DOWNLOAD):
            raise PermissionDenied
        run = Run.objects.filter(pk=run_id).first()
        if run is None:
            raise Http404
        # Shoppers leave the house with it.
        log_deed(request.user, run, _("Findings downloaded"))
        return run


def _repair(finding: Finding) -> tuple[Repair | None, str | Promise]:
    repair: Repair | None = getattr(finding, "repair", None)
    return repair, "" if repair is None else repair_words(repair)


def _file(pieces: Iterator[Any], kind: str, name: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(pieces, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _kinds(run: Run) -> Iterator[dict[str, Any]]:
    """Every kind, also those of which there is none: that is what was looked for."""
    of_kind = {
        row["kind"]: row
        for row in Finding.objects.filter(run=run)
        .values("kind")
        .annotate(
            mended=Count("pk", filter=Q(repair__outcome__in=MENDED)),
            notices=Count("pk", filter=Q(is_notice=True)),
        )
        .order_by()
    }
    for kind in FindingKind:
        count = run.counts.get(kind.value, 0)
        row = of_kind.get(kind.value, {"mended": 0, "notices": 0})
        left = count - row["mended"] - row["notices"]
        yield {**row, "kind": kind, "count": count, "left": left}


def _stored(run: Run) -> list[tuple[str, int, int]]:
    rows = Finding.objects.filter(run=run).values_list("kind").annotate(Count("pk")).order_by()
    stored = dict(rows)
    return [(kind, count, stored.get(kind, 0)) for kind, count in run.counts.items()]
