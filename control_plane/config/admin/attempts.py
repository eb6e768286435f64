"""Wrong passwords that are counted: whose, from where, and letting somebody in again."""

from axes.models import AccessAttempt
from django.contrib import admin
from django.http import HttpRequest
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from control_plane.config.read_only_admin import ReadOnlyAdmin

# Their pages show the secret that the second factor consists of.
for theirs in (TOTPDevice, StaticDevice):
    admin.site.unregister(theirs)


@admin.register(AccessAttempt)
class AttemptAdmin(ReadOnlyAdmin):
    """Newest first; who is deleted here may try again at once."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time")
    search_fields = ("username", "ip_address")
    ordering = ("-attempt_time",)
    fields = ("username", "ip_address", "failures_since_start", "attempt_time", "user_agent")
    readonly_fields = fields

    def has_delete_permission(self, request: HttpRequest, obj: AccessAttempt | None = None) -> bool:
        """Administrators."""
        return bool(request.user.has_perm("axes.delete_accessattempt"))
