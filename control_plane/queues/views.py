"""`/api/v1/draws/`: public, because anybody may check a draw; nothing before the reveal."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from control_plane.config import problems
from control_plane.queues import record
from control_plane.queues.models import Draw


def _revealed(item_id: int) -> Draw | None:
    """The draw; before its reveal there is none for the public, not even whether it exists."""
    return Draw.objects.filter(pk=item_id, revealed_at__isnull=False).first()


def _not_found() -> JsonResponse:
    return problems.response(404, "not_found", "There is no such draw, or it is not revealed yet.")


@require_safe
def summary(request: HttpRequest, item_id: int) -> HttpResponseBase:
    """Commitment, seed, sizes, algorithm and times."""
    draw = _revealed(item_id)
    return JsonResponse(record.summary(draw)) if draw else _not_found()


@require_safe
def rows(request: HttpRequest, item_id: int) -> HttpResponseBase:
    """Everybody's place, as a CSV file that is computed while it is sent."""
    draw = _revealed(item_id)
    if draw is None:
        return _not_found()
    response = StreamingHttpResponse(record.pieces(draw), content_type="text/csv")
    # A draw that was revealed never changes, and a row costs 30 µs: who is in front may keep it.
    response["Cache-Control"] = "public, max-age=86400, immutable"
    response["Content-Disposition"] = f'attachment; filename="draw-{item_id}.csv"'
    return response
