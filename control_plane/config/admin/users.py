"""Users and groups on the admin's own forms."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from control_plane.config.model_admin import ModelAdmin

for theirs in (User, Group):
    admin.site.unregister(theirs)


@admin.register(User)
class SluiceUserAdmin(UserAdmin, ModelAdmin):
    """Who works here."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class SluiceGroupAdmin(GroupAdmin, ModelAdmin):
    """What people may do, by their work."""
