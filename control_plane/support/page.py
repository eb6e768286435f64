"""`/admin/support/`: one field to find by, the purchases that fit, and the story of one."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from control_plane.support import kafka_place
from control_plane.support.finding import TEXT_MAX, find
from control_plane.support.story import Story, tell
from control_plane.support.telling import Event

PERMISSION = "orders.view_story"


def support(request: HttpRequest) -> HttpResponse:
    """The page. It changes nothing; Kafka is read only when asked (`?kafka=1`)."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    text = request.GET.get("q", "").strip()[:TEXT_MAX]
    found = find(text)
    wanted = request.GET.get("reservation", "")
    if not wanted and len(found) == 1:
        wanted = found[0].reservation_id
    known = any(one.reservation_id == wanted for one in found)
    story = tell(wanted, request.user) if wanted and known else None
    context = {
        **admin.site.each_context(request),
        "title": _("Support"),
        "q": text,
        "found": found if story is None or len(found) > 1 else [],
        "story": story,
        "kafka": _kafka(story) if story is not None and "kafka" in request.GET else None,
        "may_ask_kafka": story is not None
        and story.followed is None
        and story.reserved_at is not None,
    }
    return TemplateResponse(request, "admin/support.html", context)


def _kafka(story: Story) -> str:
    """In words; what was found stands among the events, too."""
    if story.reserved_at is None:
        return _("Without the time of the click nobody can look it up.")
    try:
        place = kafka_place.find(story.reservation_id, story.shopper, story.reserved_at)
    except kafka_place.CannotSay as error:
        return _("Kafka could not be asked, so it may be there: %s") % error
    if place is None:
        return _("Kafka has no such message, or no longer.")
    text = _(
        "Topic %(topic)s, partition %(partition)d, offset %(offset)d; outbox entry %(outbox)s."
    ) % {
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "outbox": place.outbox or "–",
    }
    story.events.append(Event(place.at, "forward", _("written to Kafka"), text))
    story.events.sort(key=lambda one: one.at)
    return text
