"""Versions of the configuration, the keys, and who runs what. No secret is shown."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.config.ask_first import Question, ReasonForm, ask, staff
from control_plane.config.read_only_admin import ReadOnlyAdmin
from control_plane.snapshot import services
from control_plane.snapshot.lag import behind, clock, last_seen, versions
from control_plane.snapshot.models import EntryKey, Heartbeat, Snapshot

ROTATE = "snapshot.rotate_entrykey"
# The longest life of an entry token, and ten seconds for clocks.
TOKENS_LIVE = timedelta(seconds=130)


class RotateForm(ReasonForm):
    """Why, and whether somebody else may have the old ones."""

    leaked = forms.BooleanField(
        label=_("a key has leaked"),
        required=False,
        help_text=_(
            "All that older keys signed is refused at once: shoppers enter again, and who waits in "
            "a queue loses his place."
        ),
    )


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    """What was published when, and why."""

    list_display = ("version", "reason", "hash", "created_at")
    fields = ("version", "reason", "hash", "created_at")
    ordering = ("-version",)


@admin.register(EntryKey)
class EntryKeyAdmin(ReadOnlyAdmin):
    """Which keys sign and verify entry tokens, who made them and why."""

    list_display = ("kid", "active", "withdrawn", "created_at", "by", "reason")
    list_select_related = ("by",)
    fields = ("kid", "active", "withdrawn", "created_at", "by", "reason")
    ordering = ("-created_at",)
    change_list_template = "admin/snapshot/entry_keys.html"

    def get_urls(self) -> list[URLPattern]:
        """`…/rotate/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.rotate_view)
        return [path("rotate/", page, name="snapshot_entrykey_rotate"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the button that makes a new one."""
        may_rotate = request.user.has_perm(ROTATE)
        url = reverse("admin:snapshot_entrykey_rotate") if may_rotate else ""
        return super().changelist_view(request, {"rotate_url": url, **(extra_context or {})})

    def rotate_view(self, request: HttpRequest) -> HttpResponse:
        """Ask, or let a new key sign."""

        def perform(values: dict[str, Any]) -> str:
            leaked = values["leaked"]
            key = services.rotate_entry_key(staff(request), values["reason"], leaked=leaked)
            if leaked:
                return _("Key %(kid)s signs from now on; keys before it are good for nothing.") % {
                    "kid": key.kid
                }
            return _("Key %(kid)s signs in five seconds.") % {"kid": key.kid}

        newest = EntryKey.objects.filter(active=True).order_by("-created_at").first()
        is_young = newest is not None and newest.created_at > timezone.now() - TOKENS_LIVE
        question = Question(
            title=_("New entry key"),
            warning=_(
                "The newest key is not two minutes old. Another one now turns away shoppers who "
                "were let in before it."
            )
            if is_young
            else _(
                "A new key signs entry tokens in five seconds, when every gateway knows it. The "
                "one before it is good for tokens that are in use; keys before that one are not "
                "any more. Places in queues are kept."
            ),
            permission=ROTATE,
            subjects=[],
            back=reverse("admin:snapshot_entrykey_changelist"),
            perform=perform,
            form=RotateForm,
        )
        return ask(self, request, question)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """Which version every gateway and edge runs, how far it is behind, and whether it lives."""

    list_display = ("instance", "kind", "runs", "lag", "seen", "clock")
    list_filter = ("kind",)
    search_fields = ("instance",)
    fields = ("instance", "kind", "runs", "lag", "seen", "at", "clock", "each_worker")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the time since when there is something newer than its slowest worker runs."""
        newer = Snapshot.objects.filter(version__gt=OuterRef("lowest_version"))
        since = newer.order_by("version").values("created_at")[:1]
        return super().get_queryset(request).annotate(missing_since=Subquery(since))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that was taken out of service; one that lives comes back with its next heartbeat."""
        return bool(request.user.has_perm("snapshot.delete_heartbeat"))

    @admin.display(description=_("workers and versions"))
    def runs(self, beat: Heartbeat) -> str:
        """How many run which."""
        return ", ".join(
            _("%(count)s on %(version)s") % {"count": count, "version": version}
            for version, count in versions(beat.workers)
        )

    @admin.display(description=_("behind the newest"))
    def lag(self, beat: Any) -> str:
        """In words."""
        return behind(beat.missing_since, beat.at)

    @admin.display(description=_("last seen"), ordering="at")
    def seen(self, beat: Heartbeat) -> str:
        """In words; silence is named."""
        return last_seen(beat.at, timezone.now())

    @admin.display(description=_("clock"), ordering="clock_ahead_ms")
    def clock(self, beat: Heartbeat) -> str:
        """In words: a sale opens by the gateway's own clock."""
        return clock(beat.clock_ahead_ms)

    @admin.display(description=_("each worker"))
    def each_worker(self, beat: Heartbeat) -> str:
        """Number and version, one a line."""
        return "\n".join(f"{worker['id']}: {worker['version']}" for worker in beat.workers)
