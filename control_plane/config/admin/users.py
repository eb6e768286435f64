"""Users and groups on the admin's own forms."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from control_plane.config.audited import AuditedAdmin

for theirs in (User, Group):
    admin.site.unregister(theirs)


@admin.register(User)
class SluiceUserAdmin(UserAdmin, AuditedAdmin):
    """Who works here. Nobody is deleted: the trail names people; who leaves is made inactive."""

    reason_required = True
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody."""
        return False


@admin.register(Group)
class SluiceGroupAdmin(GroupAdmin, AuditedAdmin):
    """What people may do, by their work; `config/roles.py` sets its own groups back."""

    reason_required = True
