"""`/admin/drills/`: the reports of drills, on a staging installation. It changes nothing."""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from control_plane.drills import services

# Who sees how a sale does may see how it would break.
PERMISSION = "board.view_board"


@permission_required(PERMISSION, raise_exception=True)
def listed(request: HttpRequest) -> HttpResponse:
    """The newest reports."""
    try:
        reports = services.reports()
    except services.NotStaging as error:
        raise Http404(str(error)) from error
    context = {**admin.site.each_context(request), "title": _("Drills"), "reports": reports}
    return TemplateResponse(request, "admin/drills.html", context)


@permission_required(PERMISSION, raise_exception=True)
def report(request: HttpRequest, name: str) -> HttpResponse:
    """One report as a file: the console's policy forbids what a page needs that needs no others."""
    try:
        page = services.page_of(name)
    except (services.NotStaging, KeyError) as error:
        raise Http404(str(error)) from error
    saved = {"Content-Disposition": f'attachment; filename="drill-{name}.html"'}
    return HttpResponse(page, headers=saved)
