"""The pages of the second factor: showing a code, enrolling with a QR code, ending it."""

import io
from base64 import b32encode
from typing import Any

import qrcode
import qrcode.image.svg
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django_otp import login, match_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from control_plane.config import second_factor
from control_plane.config.ask_first import staff
from control_plane.config.dressing import dressed
from control_plane.config.history import log_deed

RECOVERY_CODES = 10
# A recovery code has 40 bits; django-otp slows down who guesses.
TOKEN_LENGTH_MAX = 16


class CodeForm(forms.Form):
    """Six digits of the app, or a recovery code."""

    code = forms.CharField(
        label=gettext_lazy("code"),
        max_length=TOKEN_LENGTH_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )

    def clean_code(self) -> str:
        """As people copy it."""
        return str(self.cleaned_data["code"]).replace(" ", "").lower()


@never_cache
def show_code(request: HttpRequest) -> HttpResponse:
    """After the password: the code."""
    if not _is_staff(request):
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    user = staff(request)
    if not second_factor.has_one(user):
        return HttpResponseRedirect(reverse("admin:second_factor_enroll"))
    form = dressed(CodeForm(request.POST or None))
    if form.is_valid():
        device = match_token(user, form.cleaned_data["code"])
        if device is not None:
            login(request, device)
            return HttpResponseRedirect(_next(request))
        form.add_error("code", _("This code is not right, or it was used. Wait for the next one."))
    return _page(request, "admin/second_factor/code.html", form=form, next=_next(request))


@never_cache
def enroll(request: HttpRequest) -> HttpResponse:
    """A QR code to be read by the app; it counts once a code of it has been typed."""
    if not _is_staff(request):
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    user = staff(request)
    if second_factor.has_one(user):
        return HttpResponseRedirect(reverse("admin:second_factor"))
    device, _is_new = TOTPDevice.objects.get_or_create(
        user=user, confirmed=False, defaults={"name": "app"}
    )
    form = dressed(CodeForm(request.POST or None))
    if form.is_valid():
        if device.verify_token(form.cleaned_data["code"]):
            with transaction.atomic():
                codes = _confirm(user, device)
                log_deed(user, user, gettext_lazy("Second factor enrolled"))
            login(request, device)
            return _page(request, "admin/second_factor/codes.html", codes=codes)
        form.add_error("code", _("This code is not right. Is the clock of your phone right?"))
    return _page(
        request,
        "admin/second_factor/enroll.html",
        form=form,
        picture=_picture(device.config_url),
        key=_base32(device),
        is_required=second_factor.must_have_one(user),
    )


@never_cache
def end(request: HttpRequest) -> HttpResponse:
    """Of one's own, with a code; not where it is required."""
    user = staff(request)
    if not second_factor.has_one(user):
        return HttpResponseRedirect(reverse("admin:second_factor_enroll"))
    if second_factor.must_have_one(user):
        messages.info(request, _("Your second factor is on, and your work here needs it."))
        return HttpResponseRedirect(reverse("admin:index"))
    form = dressed(CodeForm(request.POST or None))
    if form.is_valid():
        if match_token(user, form.cleaned_data["code"]) is not None:
            with transaction.atomic():
                second_factor.reset(user)
                log_deed(user, user, gettext_lazy("Second factor ended"))
            messages.success(request, _("You sign in with your password alone from now on."))
            return HttpResponseRedirect(reverse("admin:index"))
        form.add_error("code", _("This code is not right, or it was used. Wait for the next one."))
    return _page(request, "admin/second_factor/end.html", form=form)


def _is_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_staff", False))


def _confirm(user: User, device: TOTPDevice) -> list[str]:
    """It counts from now on; returns the recovery codes, which nobody can read again."""
    device.confirmed = True
    device.save()
    StaticDevice.objects.filter(user=user).delete()
    spare = StaticDevice.objects.create(user=user, name="recovery")
    codes = [StaticToken.random_token() for _number in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=spare, token=code) for code in codes)
    return codes


def _base32(device: TOTPDevice) -> str:
    text = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _picture(address: str) -> SafeString:
    """Inline SVG of squares; it has nothing of the user's in it but their arrangement."""
    out = io.BytesIO()
    qrcode.make(address, image_factory=qrcode.image.svg.SvgPathImage, box_size=9).save(out)
    drawing = out.getvalue().decode()
    return mark_safe(drawing[drawing.index("<svg") :])


def _next(request: HttpRequest) -> str:
    asked = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure()):
        return asked
    return reverse("admin:index")


def _page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    shown = {**admin.site.each_context(request), "title": _("Second factor"), **context}
    return TemplateResponse(request, template, shown)
