"""The second factor: enrolling, signing in with it, losing it, and no way around it."""

import re
from base64 import b64encode
from dataclasses import replace

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from control_plane.config import second_factor

pytestmark = pytest.mark.django_db
CODE = "/admin/second-factor/"
ENROLL = f"{CODE}enroll/"


@pytest.fixture
def ann():
    return User.objects.create_superuser("ann", password="right-horse")


@pytest.fixture
def enrolled(ann):
    return TOTPDevice.objects.create(user=ann, confirmed=True, name="app")


@pytest.fixture
def required(settings):
    def build(*groups):
        console = replace(settings.ENV.console, require_totp=groups)
        settings.ENV = replace(settings.ENV, console=console)

    return build


def _text(answer):
    return answer.content.decode()


def _code(device):
    return f"{TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift).token():06}"


def _signed_in(client):
    client.post("/admin/login/", {"username": "ann", "password": "right-horse"})
    return client


def test_without_one_the_password_is_enough(client, ann):
    assert _signed_in(client).get("/admin/").status_code == 200


def test_enrolling_shows_a_picture_and_once_the_recovery_codes(client, ann):
    page = _text(_signed_in(client).get(ENROLL))
    assert "<svg" in page
    device = TOTPDevice.objects.get()
    assert "This code is not right." in _text(client.post(ENROLL, {"code": "000000"}))
    device.refresh_from_db()
    assert not device.confirmed
    device.throttle_reset()
    done = _text(client.post(ENROLL, {"code": _code(device)}))
    codes = re.findall(r"<li><code>(\w+)</code></li>", done)
    assert len(codes) == StaticToken.objects.count() == 10
    assert client.get("/admin/").status_code == 200
    assert client.get(ENROLL).url == CODE  # nobody enrolls over an enrolled one


def test_with_one_the_password_alone_opens_nothing(client, enrolled):
    _signed_in(client)
    answer = client.get("/admin/campaigns/campaign/", follow=True)
    assert answer.request["PATH_INFO"] == CODE
    assert client.get("/api/v1/campaigns/").status_code == 403
    sent = {"HTTP_AUTHORIZATION": "Basic " + b64encode(b"ann:right-horse").decode()}
    client.logout()
    assert client.get("/api/v1/campaigns/", **sent).status_code == 403


@pytest.mark.parametrize("path", ["", "pass.json", "replay/spring.json"])
def test_nor_the_board(client, enrolled, ann, path):
    ann.is_superuser = True
    ann.save()
    _signed_in(client)
    assert client.get(f"/board/{path}").status_code == 403
    assert client.post("/board/walls/", {"place": "Hall", "hours": "1"}).status_code == 403


def test_somebody_elses_session_does_not_vouch_for_a_password(client, enrolled):
    """The cookie is bob's, who has no second factor; the password sent along is ann's, who has."""
    User.objects.create_user("bob", password="other-horse", is_staff=True)
    assert (
        client.post("/admin/login/", {"username": "bob", "password": "other-horse"}).status_code
        == 302
    )
    sent = {"HTTP_AUTHORIZATION": "Basic " + b64encode(b"ann:right-horse").decode()}
    assert client.get("/api/v1/campaigns/", **sent).status_code == 403


def test_the_code_opens_the_page_that_was_asked_for(client, enrolled):
    _signed_in(client)
    form = {"code": _code(enrolled), "next": "/admin/orders/order/"}
    assert client.post(CODE, form).url == "/admin/orders/order/"
    assert client.get("/admin/").status_code == 200
    assert client.get("/api/v1/campaigns/").status_code == 200


def test_a_code_leads_nowhere_else(client, enrolled):
    _signed_in(client)
    form = {"code": _code(enrolled), "next": "https://evil.example/"}
    assert client.post(CODE, form).url == "/admin/"


def test_a_code_counts_once(client, enrolled):
    code = _code(enrolled)
    _signed_in(client).post(CODE, {"code": code})
    client.post("/admin/logout/")
    again = _signed_in(client).post(CODE, {"code": code})
    assert "or it was used" in _text(again)
    assert client.get("/admin/").status_code == 302


def test_a_recovery_code_gets_in_once(client, ann):
    _signed_in(client).get(ENROLL)
    device = TOTPDevice.objects.get()
    done = _text(client.post(ENROLL, {"code": _code(device)}))
    spare = re.findall(r"<li><code>(\w+)</code></li>", done)[0]
    client.post("/admin/logout/")
    assert _signed_in(client).post(CODE, {"code": spare}).status_code == 302
    assert StaticToken.objects.count() == 9


def test_a_superuser_resets_it_and_nobody_else(admin_client, enrolled, ann, log_in):
    page = f"/admin/auth/user/{ann.pk}/second-factor/"
    assert admin_client.post(page, {"reason": "lost his phone"}).status_code == 302
    assert not second_factor.has_one(ann)
    assert "lost his phone" in _text(admin_client.get(f"/admin/auth/user/{ann.pk}/history/"))


def test_an_administrator_of_users_alone_does_not_reset_it(client, enrolled, ann):
    from django.contrib.auth.models import Permission

    bob = User.objects.create_user("bob", is_staff=True)
    bob.user_permissions.add(Permission.objects.get(codename="change_user"))
    client.force_login(bob)
    page = f"/admin/auth/user/{ann.pk}/second-factor/"
    assert client.post(page, {"reason": "x"}).status_code == 403
    assert second_factor.has_one(ann)


def test_where_it_is_required_who_has_none_gets_no_further(client, ann, required):
    required("all")
    answer = _signed_in(client).get("/admin/", follow=True)
    assert answer.request["PATH_INFO"] == ENROLL


def test_it_can_be_required_of_a_group(client, ann, required):
    required("operator")
    assert _signed_in(client).get("/admin/").status_code == 200
    ann.groups.add(Group.objects.create(name="operator"))
    assert client.get("/admin/").status_code == 302


def test_nobody_reads_its_secret_in_the_admin(admin_client, enrolled):
    assert admin_client.get("/admin/otp_totp/totpdevice/").status_code == 404


def test_a_session_from_before_is_asked_for_the_code(client, ann):
    assert _signed_in(client).get("/admin/").status_code == 200
    TOTPDevice.objects.create(user=ann, confirmed=True, name="app")
    answer = client.get("/admin/", follow=True)
    assert answer.request["PATH_INFO"] == CODE
    assert client.get("/api/v1/campaigns/").status_code == 403
    assert client.get("/board/pass.json").status_code == 403


def test_a_session_from_before_it_was_required_has_to_enroll(client, ann, required):
    assert _signed_in(client).get("/admin/").status_code == 200
    required("all")
    assert client.get("/admin/", follow=True).request["PATH_INFO"] == ENROLL


@pytest.fixture
def shown(client, enrolled):
    """A session that has shown its code."""
    _signed_in(client).post(CODE, {"code": _code(enrolled)})
    assert client.get("/admin/").status_code == 200
    return client


@pytest.fixture
def reset_by(admin_client, ann, shown):
    """By another superuser, or by himself in another session."""

    def build(whom):
        if whom == "a superuser":
            admin_client.post(f"/admin/auth/user/{ann.pk}/second-factor/", {"reason": "lost it"})
        else:
            TOTPDevice.objects.update(last_t=-1)
            elsewhere = _signed_in(Client())
            elsewhere.post(CODE, {"code": _code(TOTPDevice.objects.get())})
            TOTPDevice.objects.update(last_t=-1)
            elsewhere.post(f"{CODE}end/", {"code": _code(TOTPDevice.objects.get())})
        assert not TOTPDevice.objects.exists()

    return build


@pytest.mark.parametrize("whom", ["a superuser", "himself"])
def test_a_session_whose_device_was_reset_has_to_enroll(shown, reset_by, required, whom):
    reset_by(whom)
    assert shown.get("/admin/").status_code == 200, "the password is enough again"
    required("all")
    assert shown.get("/admin/", follow=True).request["PATH_INFO"] == ENROLL
    assert shown.get("/board/pass.json").status_code == 403


def test_and_shows_a_code_of_the_device_that_was_enrolled_elsewhere(shown, reset_by, ann):
    reset_by("a superuser")
    TOTPDevice.objects.create(user=ann, confirmed=True, name="app")
    assert shown.get("/admin/", follow=True).request["PATH_INFO"] == CODE
    assert shown.get("/api/v1/campaigns/").status_code == 403


def test_who_got_in_with_a_recovery_code_stays_in_until_a_reset(client, ann, enrolled):
    spare = StaticDevice.objects.create(user=ann, name="recovery")
    StaticToken.objects.create(device=spare, token="abcd2345")
    _signed_in(client).post(CODE, {"code": "abcd2345"})
    assert client.get("/admin/").status_code == 200
    spare.delete()
    assert client.get("/admin/", follow=True).request["PATH_INFO"] == CODE


def test_it_costs_no_query_of_its_own(client, ann, django_assert_num_queries):
    _signed_in(client)
    # The session, and who it is.
    with django_assert_num_queries(2):
        assert client.get("/board/pass.json").status_code == 200


def test_who_is_made_inactive_is_out_at_once(client, ann):
    _signed_in(client)
    User.objects.update(is_active=False)
    assert client.get("/admin/").status_code == 302


NEW = "another-right-horse"


@pytest.mark.parametrize("by_whom", ["himself", "an administrator"])
def test_every_other_session_ends_when_the_password_changes(ann, admin_client, by_whom):
    here, elsewhere = _signed_in(Client()), _signed_in(Client())
    if by_whom == "himself":
        fields = {"old_password": "right-horse", "new_password1": NEW, "new_password2": NEW}
        assert here.post("/admin/password_change/", fields).status_code == 302
        assert here.get("/admin/").status_code == 200
    else:
        url = f"/admin/auth/user/{ann.pk}/password/"
        fields = {"password1": NEW, "password2": NEW, "usable_password": "true"}
        assert admin_client.post(url, fields).status_code == 302
        assert here.get("/admin/").status_code == 302
    assert elsewhere.get("/admin/").status_code == 302
    assert elsewhere.get("/board/pass.json").status_code == 401
    assert elsewhere.get("/api/v1/campaigns/").status_code in (401, 403)
