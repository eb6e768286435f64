"""The retry table. Read-only, but for trying a letter at once and giving it up."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import Question, ReasonForm, Refusal, ask, staff
from control_plane.config.history import in_english
from control_plane.config.read_only_admin import Button, ReadOnlyAdmin, ReadOnlyInline
from control_plane.dead_letters import services
from control_plane.dead_letters.models import (
    OPEN_STATES,
    DeadLetter,
    HistoryEntry,
    LetterState,
    Source,
)
from control_plane.orders.models import Order

RETRY = "dead_letters.retry_deadletter"
DISCARD = "dead_letters.discard_deadletter"
# A reason is shorter than a key that fell over.
REASON_LENGTH_MIN = 5
# Each takes the lock of its item's pool; a page must not take longer than somebody waits.
MOST_AT_ONCE = 200
SUBJECT_LENGTH_MAX = 120
# Beyond it nobody reads on, and a page of half a megabyte helps nobody.
SHOWN_BYTES_MAX = 8 * 1024


class DiscardForm(ReasonForm):
    """Why a promise is given up; typed out, because nobody can take it back."""

    reason = forms.CharField(
        label=_("reason"),
        min_length=REASON_LENGTH_MIN,
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )


class HistoryInline(ReadOnlyInline):
    """Every attempt, and what people did."""

    model = HistoryEntry
    fields = ("at", "step", "attempt", "text", "by")
    readonly_fields = fields
    ordering = ("pk",)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """Found by reservation or shopper, each complete."""

    list_display = ("name", "state", "shopper", "short_error", "attempts", "next_attempt")
    list_filter = ("state", "error_kind", "source", "consumer")
    search_fields = ("=reservation_id", "=shopper")
    search_help_text = _("Reservation or shopper, complete.")
    ordering = ("-pk",)
    actions = ("retry", "discard")
    inlines = (HistoryInline,)
    fields = (
        "name",
        "state",
        "error_kind",
        "error",
        "attempts",
        "next_attempt",
        "reservation_id",
        "shopper",
        "order",
        "outcome",
        "shown_payload",
        "source",
        "source_name",
        "consumer",
        "created_at",
        "finished_at",
    )
    readonly_fields = ("name", "order", "next_attempt", "shown_payload")

    def get_urls(self) -> list[URLPattern]:
        """`retry/` and `discard/` in front of the admin's own; the letters are in the address."""
        own = [
            path("retry/", self.admin_site.admin_view(self.retry_view), name=_page("retry")),
            path("discard/", self.admin_site.admin_view(self.discard_view), name=_page("discard")),
        ]
        return [*own, *super().get_urls()]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """For the action."""
        return request.user.has_perm(RETRY)

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """For the action."""
        return request.user.has_perm(DISCARD)

    def buttons(self, request: HttpRequest, obj: DeadLetter) -> list[Button]:
        """While it waits for the clock or for somebody."""
        if obj.state not in OPEN_STATES:
            return []
        found = []
        if self.has_retry_permission(request):
            found.append(Button(_("Retry now"), _address("retry", [obj.pk])))
        if self.has_discard_permission(request):
            found.append(Button(_("Discard"), _address("discard", [obj.pk]), "button-grave"))
        return found

    @admin.action(description=_("Retry now"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse | None:
        """Ask about the chosen ones."""
        return self._ask_about("retry", request, queryset)

    @admin.action(description=_("Discard"), permissions=["discard"])
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse | None:
        """Ask about the chosen ones."""
        return self._ask_about("discard", request, queryset)

    def _ask_about(
        self, step: str, request: HttpRequest, queryset: QuerySet[DeadLetter]
    ) -> HttpResponse | None:
        pks = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(pks) > MOST_AT_ONCE:
            text = _("At most %(most)s at once.") % {"most": MOST_AT_ONCE}
            self.message_user(request, text, messages.ERROR)
            return None
        return HttpResponseRedirect(_address(step, pks))

    def retry_view(self, request: HttpRequest) -> HttpResponse:
        """Have the clock try those of the chosen ones that wait."""
        letters = self._chosen(request)

        def perform(values: dict[str, Any]) -> str:
            reason, now = values["reason"], timezone.now()
            tried = 0
            for one in letters:
                with transaction.atomic():
                    if services.retry_now(one.pk, reason, staff(request), now):
                        self.log_change(request, one, in_english(_("Retry now"), reason))
                        tried += 1
            if not tried:
                raise Refusal(_("None of them waits any more."))
            return _("Dead letters that are tried within seconds: %(count)s.") % {"count": tried}

        question = Question(
            title=_("Retry now"),
            warning=_(
                "Each counts once, however often it is tried. An exception order has one more "
                "attempt; mend first what the error says."
            ),
            permission=RETRY,
            subjects=[_subject(one) for one in letters],
            back=_back(letters),
            perform=perform,
            is_many=True,
        )
        return ask(self, request, question)

    def discard_view(self, request: HttpRequest) -> HttpResponse:
        """Give those of the chosen ones up that wait."""
        letters = self._chosen(request)

        def perform(values: dict[str, Any]) -> str:
            reason = values["reason"]

            def discard(one: DeadLetter) -> bool:
                # In transactions of its own, which note it too.
                done = services.discard(one.pk, reason, staff(request), timezone.now())
                if done:
                    self.log_change(request, one, in_english(_("Discard"), reason))
                return done

            discarded, ordered = _discard(letters, discard)
            if ordered and not discarded:
                raise Refusal(_("They are orders meanwhile: %(orders)s.") % {"orders": ordered})
            if not discarded:
                raise Refusal(_("None of them waits any more."))
            return _("Dead letters discarded: %(count)s.") % {"count": discarded}

        promised = _(
            "The shopper was told that he has his unit and will not get it: his reservation "
            "is rejected, the unit goes back on sale. Nobody can take this back."
        )
        missed = _(
            "Order and units stay as they are, but who could not use this event never hears of it: "
            "warehouse, order or merchant."
        )
        of_orders = [one.source == Source.ORDER_EVENTS for one in letters]
        warning = missed if all(of_orders) else promised
        if any(of_orders) and not all(of_orders):
            warning = format_lazy("{} {}", promised, missed)
        question = Question(
            title=_("Discard"),
            warning=warning,
            permission=DISCARD,
            subjects=[_subject(one) for one in letters],
            back=_back(letters),
            perform=perform,
            is_many=True,
            form=DiscardForm,
        )
        return ask(self, request, question)

    def _chosen(self, request: HttpRequest) -> list[DeadLetter]:
        """The rows that the address names; Http404 when it names none, or too many."""
        to_python = DeadLetter._meta.pk.to_python
        try:
            pks = [to_python(name) for name in request.GET.get("pk", "").split(",")]
        except ValidationError as error:
            raise Http404 from error
        rows = list(self.get_queryset(request).filter(pk__in=pks).order_by("pk"))
        if not rows or len(rows) > MOST_AT_ONCE:
            raise Http404
        return rows

    @admin.display(description=_("dead letter"), ordering="pk")
    def name(self, letter: DeadLetter) -> str:
        """Its place."""
        return str(letter)

    @admin.display(description=_("error"))
    def short_error(self, letter: DeadLetter) -> str:
        """Its beginning; the letter's own page has all of it."""
        return letter.error.splitlines()[0][:80] if letter.error else "–"

    @admin.display(description=_("next attempt at"), ordering="next_at")
    def next_attempt(self, letter: DeadLetter) -> str:
        """While the clock has one for it."""
        if letter.state != LetterState.PENDING:
            return "–"
        return date_format(timezone.localtime(letter.next_at), "DATETIME_FORMAT")

    @admin.display(description=_("order"))
    def order(self, letter: DeadLetter) -> SafeString | str:
        """What became of the reservation."""
        order = Order.objects.filter(reservation_id=letter.reservation_id or None).first()
        if order is None:
            return "–"
        url = reverse("admin:orders_order_change", args=[order.pk])
        return format_html('<a href="{}">{}</a>', url, order.number)

    @admin.display(description=_("payload"))
    def shown_payload(self, letter: DeadLetter) -> SafeString:
        """As JSON where it is, else as text; what is no text by its bytes."""
        return format_html('<pre class="payload">{}</pre>', readable(bytes(letter.payload)))


def _subject(letter: DeadLetter) -> str:
    """Whom it is about, so that nobody discards the wrong one."""
    about = f"{letter.reservation_id} · {letter.shopper}" if letter.reservation_id else letter.error
    return f"{letter} · {about[:SUBJECT_LENGTH_MAX]}"


def readable(payload: bytes) -> str:
    """For a person: JSON indented, anything else as it is, with escapes for what is no text."""
    if len(payload) > SHOWN_BYTES_MAX:
        head = payload[:SHOWN_BYTES_MAX].decode(errors="backslashreplace")
        return f"{head}\n… {len(payload)} bytes"
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload.decode(errors="backslashreplace") or "–"


def _discard(
    letters: Iterable[DeadLetter], discard: Callable[[DeadLetter], bool]
) -> tuple[int, str]:
    """How many were discarded, and the numbers of the orders that some had become."""
    discarded, ordered = 0, []
    for one in letters:
        try:
            discarded += discard(one)
        except services.AlreadyOrdered as error:
            ordered.append(error.number)
        except DatabaseError as error:
            # What was discarded before stands; the rest waits as before.
            raise Refusal(
                _("The database did not answer; try again. Discarded until then: %(count)s.")
                % {"count": discarded}
            ) from error
    return discarded, ", ".join(ordered)


def _page(step: str) -> str:
    return f"dead_letters_deadletter_{step}"


def _address(step: str, pks: Iterable[int]) -> str:
    names = ",".join(str(pk) for pk in pks)
    return f"{reverse(f'admin:{_page(step)}')}?{urlencode({'pk': names})}"


def _back(letters: list[DeadLetter]) -> str:
    if len(letters) == 1:
        return reverse("admin:dead_letters_deadletter_change", args=[letters[0].pk])
    return reverse("admin:dead_letters_deadletter_changelist")
