"""Users and groups on the admin's own forms."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from control_plane.config import second_factor
from control_plane.config.ask_first import Question, ask
from control_plane.config.audited import AuditedAdmin
from control_plane.config.history import in_english
from control_plane.config.read_only_admin import Button

for theirs in (User, Group):
    admin.site.unregister(theirs)


@admin.register(User)
class SluiceUserAdmin(UserAdmin, AuditedAdmin):  # type: ignore[misc]  # get_form, as Django has it
    """Who works here. Nobody is deleted: the trail names people; who leaves is made inactive."""

    reason_required = True
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    change_form_template = "admin/with_buttons.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the button for who lost his phone."""
        buttons = []
        if object_id and request.user.is_superuser and second_factor.has_one(object_id):
            url = reverse("admin:auth_user_second_factor", args=[object_id])
            buttons = [Button(_("Reset second factor"), url, "button-grave")]
        context = {"buttons": buttons, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        """`…/<id>/second-factor/` in front of the admin's own."""
        page = self.admin_site.admin_view(self.reset_view)
        name = "auth_user_second_factor"
        return [path("<int:user_id>/second-factor/", page, name=name), *super().get_urls()]

    def reset_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Ask, or take it away; superusers only."""
        if not request.user.is_superuser:
            raise PermissionDenied
        person = get_object_or_404(User, pk=user_id)

        def perform(values: dict[str, Any]) -> str:
            second_factor.reset(person)
            self.log_change(request, person, in_english(_("Reset second factor"), values["reason"]))
            return _("%(user)s signs in with the password alone and can enroll anew.") % {
                "user": person
            }

        question = Question(
            title=_("Reset second factor"),
            warning=_(
                "Be sure who is asking: whoever has the password gets in without the phone. The"
                " recovery codes are void too."
            ),
            permission="auth.change_user",
            subjects=[person],
            back=reverse("admin:auth_user_change", args=[user_id]),
            perform=perform,
        )
        return ask(self, request, question)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody."""
        return False


@admin.register(Group)
class SluiceGroupAdmin(GroupAdmin, AuditedAdmin):
    """What people may do, by their work; `config/roles.py` sets its own groups back."""

    reason_required = True
