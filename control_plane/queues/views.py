"""`/api/v1/draws/`: public, because anybody may check a draw; nothing before the reveal."""

from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from control_plane.queues import record
from control_plane.queues.models import Draw


def _revealed(item_id: int) -> Draw:
    """The draw; before its reveal there is none for the public, not even whether it exists."""
    draw = Draw.objects.filter(pk=item_id, revealed_at__isnull=False).first()
    if draw is None:
        raise Http404("no such draw, or not revealed yet")
    return draw


@require_safe
def summary(request: HttpRequest, item_id: int) -> JsonResponse:
    """Commitment, seed, sizes, algorithm and times."""
    return JsonResponse(record.summary(_revealed(item_id)))


@require_safe
def rows(request: HttpRequest, item_id: int) -> HttpResponseBase:
    """Everybody's place, as a CSV file that is computed while it is sent."""
    response = StreamingHttpResponse(record.pieces(_revealed(item_id)), content_type="text/csv")
    # A draw that was revealed never changes, and a row costs 30 µs: who is in front may keep it.
    response["Cache-Control"] = "public, max-age=86400, immutable"
    response["Content-Disposition"] = f'attachment; filename="draw-{item_id}.csv"'
    return response
