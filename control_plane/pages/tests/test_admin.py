"""The page's form in the admin: who may write, what is refused, and how it will look."""

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError

from control_plane.campaigns import services as campaigns
from control_plane.pages import services
from control_plane.pages.models import CampaignPage, ItemPage, Picture, PictureFile
from control_plane.pages.pictures import draw
from control_plane.pages.services import TEXTS
from control_plane.pages.tests.conftest import upload, write, write_addresses

pytestmark = pytest.mark.django_db


@pytest.fixture
def log_in(client):
    """A client of a staff member who holds just these permissions."""

    def with_permissions(*codenames):
        user = User.objects.create_user("staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return with_permissions


@pytest.fixture
def writer(log_in):
    return log_in("change_campaignpage", "view_campaign")


def _url(campaign, end="edit"):
    return f"/admin/pages/campaignpage/{campaign.pk}/{end}/"


def _form(campaign, **changes):
    parts = ["campaign", *(f"item-{item.pk}" for item in campaign.items.all())]
    return {f"{part}-{name}": "" for part in parts for name in TEXTS} | changes


def test_words_and_pictures_are_written_before_the_approval(draft, writer):
    item = draft.items.get()
    form = _form(
        draft,
        **{
            "campaign-title_zh": "春茶",
            f"item-{item.pk}-text_en": "Green.",
            f"item-{item.pk}-upload": upload(),
        },
    )
    answer = writer.post(_url(draft), form, follow=True)
    assert "Written." in answer.content.decode()
    assert CampaignPage.objects.get().title_zh == "春茶"
    written = ItemPage.objects.get()
    assert written.text_en == "Green."
    assert PictureFile.objects.filter(picture=written.picture).count() == 3


def test_and_after_it(approved, now, writer, index):
    services.publish(now)
    before = index()
    writer.post(_url(approved), _form(approved, **{"campaign-title_en": "Another"}))
    services.publish(now)
    assert index() != before


def test_an_empty_upload_keeps_the_picture_and_the_box_removes_it(draft, writer):
    writer.post(_url(draft), _form(draft, **{"campaign-upload": upload()}))
    writer.post(_url(draft), _form(draft))
    assert Picture.objects.count() == 1
    writer.post(_url(draft), _form(draft, **{"campaign-remove_picture": "on"}))
    assert Picture.objects.count() == 0


def test_what_is_no_picture_is_refused_with_the_reason_and_nothing_is_written(draft, writer):
    file = upload(8001, 200)
    form = _form(draft, **{"campaign-title_en": "New", "campaign-upload": file})
    page = writer.post(_url(draft), form).content.decode()
    assert "The picture is 8001 × 200 pixels." in page
    assert 'value="New"' in page
    assert not CampaignPage.objects.exists()


def test_a_text_that_is_too_long_is_refused(draft, writer):
    page = writer.post(_url(draft), _form(draft, **{"campaign-text_en": "x" * 4001}))
    assert "at most 4000 characters" in page.content.decode()


def test_the_shops_addresses_are_written_and_shown_again(draft, writer):
    pay, shop = "https://shop.example/pay/{order}", "http://shop.example:8080/spring?a=1"
    given = {"campaign-pay_href": pay, "campaign-shop_href": shop}
    writer.post(_url(draft), _form(draft, **given))
    written = CampaignPage.objects.get()
    assert (written.pay_href, written.shop_href) == (pay, shop)
    assert f'value="{pay}"' in writer.get(_url(draft)).content.decode()
    writer.post(_url(draft), _form(draft))
    assert CampaignPage.objects.get().pay_href == ""


@pytest.mark.parametrize(
    ("field", "address", "reason"),
    [
        ("shop_href", "javascript:alert(1)", "a whole address"),
        ("shop_href", "//shop.example/", "a whole address"),
        ("shop_href", "/spring", "a whole address"),
        ("shop_href", "ftp://shop.example/", "a whole address"),
        ("shop_href", "https://shop.example\\@evil.example/", "a user&#x27;s name"),
        ("shop_href", "https://shop.example@evil.example/", "a user&#x27;s name"),
        ("shop_href", "https://shop.example/" + "x" * 500, "at most 500 characters"),
        ("pay_href", "https://shop.example/pay", "{order} once"),
        ("pay_href", "https://shop.example/{order}/{order}", "{order} once"),
        ("pay_href", "https://{order}.shop.example/", "{order} once"),
        ("pay_href", "javascript:alert('{order}')", "a whole address"),
    ],
)
def test_an_address_that_leads_astray_is_refused(draft, writer, field, address, reason):
    form = _form(draft, **{f"campaign-{field}": address})
    assert reason in writer.post(_url(draft), form).content.decode()
    assert not CampaignPage.objects.exists()


def test_nothing_else_writes_such_an_address_either(draft):
    with pytest.raises(ValidationError):
        write_addresses(draft, shop_href="javascript:alert(1)")


@pytest.mark.parametrize("end", ["edit", "preview"])
def test_it_is_forbidden_without_the_permission(draft, log_in, end):
    client = log_in("view_campaign")
    assert client.get(_url(draft, end)).status_code == 403
    assert client.post(_url(draft), _form(draft)).status_code == 403


def test_nobody_sees_it_without_a_login(client, draft):
    assert client.get(_url(draft)).status_code == 302


def test_the_campaigns_page_leads_to_it(draft, writer):
    page = writer.get(f"/admin/campaigns/campaign/{draft.pk}/change/").content.decode()
    assert _url(draft) in page


def test_the_preview_shows_the_page_with_its_pictures_and_runs_nothing(draft, writer):
    writer.post(
        _url(draft), _form(draft, **{"campaign-upload": upload(), "campaign-title_zh": "春茶"})
    )
    answer = writer.get(f"{_url(draft, 'preview')}?lang=zh")
    page = answer.content.decode()
    assert "<h1>春茶</h1>" in page
    assert answer["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    (file, *_) = PictureFile.objects.all()
    url = f"{_url(draft, 'preview')}{file.name}"
    assert url in page
    picture = writer.get(url)
    assert (picture["Content-Type"], picture.content) == ("image/webp", bytes(file.body))


def test_the_form_shows_the_picture_there_is(draft, writer):
    writer.post(_url(draft), _form(draft, **{"campaign-upload": upload()}))
    smallest = PictureFile.objects.get(width=480).name
    assert f"preview/{smallest}" in writer.get(_url(draft)).content.decode()


def test_the_preview_has_no_picture_of_another_campaign(draft, merchant, now, writer):
    other = campaigns.create_draft(
        merchant, slug="other", title="Other", starts_at=now, ends_at=draft.ends_at, items=[]
    )
    write(other, draw(upload(), 1))
    name = PictureFile.objects.order_by("width")[0].name
    assert writer.get(f"{_url(draft, 'preview')}{name}").status_code == 404


def test_the_preview_has_the_style_of_the_edge(draft, writer):
    answer = writer.get(f"{_url(draft, 'preview')}page.css")
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert "--accent" in answer.content.decode()
    assert "@import" not in answer.content.decode()
    assert writer.get(f"{_url(draft, 'preview')}icon.svg")["Content-Type"] == "image/svg+xml"
