"""Ordinary work through the console and its firewall, with a real Django: nothing is refused."""

import base64
import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.local.site import Site
from tests.e2e.browser import Browser, Page

LIST = "/admin/campaigns/campaign/"
# Each has met a firewall rule somewhere, and each is a title that a shop could use.
TITLES = (
    "双十一大促：全场五折，“限时”秒杀！价格：¥19.99（含税）",
    "Select your gift from our table, where the union of quality & price begins",
    'Tom\'s "best" offer -- 50% off; buy 1 or 2',
    "O'Brien & Søn: 5'8\" (tall) {limited} [list] #1 $100 `code`",
    "Cat toy; time to sleep; find more, set the table",
    "<b>Bold</b> offers & <i>italic</i> prices",
    "Python plush; curl -l iron; bash & sh",
    "Union Jack mug; select edition, having fun",
    "See https://shop.example/a?b=1&c=2#d or ../photos",
)


@pytest.fixture
def console(site: Site) -> str:
    """The origin people open."""
    return f"http://127.0.0.1:{site.port('gateway-console')}"


@pytest.fixture
def admin(site: Site, console: str) -> Browser:
    """The user `admin`, logged in."""
    browser = Browser(console)
    form = browser.get("/")
    assert form.url.endswith("/admin/login/?next=/admin/")
    who = {"username": "admin", "password": _password(site)}
    page = browser.post("/admin/login/", form.fields | who)
    assert page.status == 200, page.text
    assert "/admin/logout/" in page.text
    return browser


def _password(site: Site) -> str:
    return (site.state / "admin-password").read_text().strip()


def _campaign(browser: Browser, title: str, **changes: str) -> dict[str, str]:
    """The form of a new campaign, filled in."""
    start = datetime.now(UTC) + timedelta(days=1)
    fields = browser.get(f"{LIST}add/").fields
    return fields | {
        "title": title,
        "slug": f"console-{time.time_ns():x}",
        "merchant": "1",
        "starts_at_0": start.strftime("%Y-%m-%d"),
        "starts_at_1": "20:00:00",
        "ends_at_0": start.strftime("%Y-%m-%d"),
        "ends_at_1": "21:00:00",
        "items-TOTAL_FORMS": "1",
        "items-0-sku": f"SKU-1/a-{time.time_ns():x}",
        "items-0-title": title,
        "items-0-units": "100",
        "items-0-price_minor": "1999",
        "items-0-currency": "CNY",
        "items-0-limit_per_shopper": "2",
        **changes,
    }


def _api(
    site: Site, console: str, path: str, body: dict[str, Any] | None = None
) -> tuple[int, Any]:
    """A merchant's program: Basic authentication and JSON."""
    word = base64.b64encode(f"admin:{_password(site)}".encode()).decode()
    headers = {"Authorization": f"Basic {word}", "User-Agent": "python-shop-sync/2.1"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    sent = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    request = urllib.request.Request(f"{console}{path}", sent, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("title", TITLES)
def test_a_campaign_is_created_found_and_approved(admin: Browser, title: str) -> None:
    saved = admin.post(f"{LIST}add/", _campaign(admin, title, _continue="1"))
    assert saved.status == 200, saved.text
    assert saved.url.endswith("/change/"), saved.text
    path = saved.url.removeprefix(admin.origin)
    assert saved.fields["title"] == title
    assert saved.fields["items-0-title"] == title
    again = admin.post(path, saved.fields | {"items-0-price_minor": "2099", "_continue": "1"})
    assert again.fields["items-0-price_minor"] == "2099"
    approved = admin.post(path.replace("/change/", "/approve/"), {})
    assert approved.status == 200
    assert "_continue" not in approved.text, "an approved campaign is read-only"


def test_lists_are_filtered_sorted_and_searched(admin: Browser) -> None:
    for query in (
        "?q=Tom%27s+gift",
        "?q=%E5%8F%8C%E5%8D%81%E4%B8%80",
        "?q=select+your+gift&state__exact=draft",
        "?o=-3.1&p=1",
        "?starts_at__year=2026&starts_at__month=11",
        "?merchant__id__exact=1&_facets=True",
        "?_changelist_filters=q%3Dselect%2Byour%2Bgift%26state__exact%3Ddraft",
    ):
        page = admin.get(f"{LIST}{query}")
        assert page.status == 200, query
        assert "/admin/logout/" in page.text


def test_a_draft_is_deleted_and_the_message_of_it_does_no_harm(admin: Browser) -> None:
    """Django keeps the message in a cookie, with the title and HTML in it."""
    title = 'Tom\'s "best" <b>offer</b> -- 1=1'
    saved = admin.post(f"{LIST}add/", _campaign(admin, title, _continue="1"))
    path = saved.url.removeprefix(admin.origin).replace("/change/", "/delete/")
    page = admin.post(path, {"post": "yes"})
    assert page.status == 200
    assert page.url.endswith(LIST)
    assert 'class="success"' in page.text


def test_a_wrong_form_is_django_s_to_refuse(admin: Browser) -> None:
    page = admin.post(f"{LIST}add/", _campaign(admin, "x" * 5000))
    assert page.status == 200
    assert "errornote" in page.text


def test_a_password_that_looks_like_an_attack_is_only_wrong(console: str) -> None:
    browser = Browser(console)
    browser.get("/admin/login/")
    password = "' OR 1=1; <script>alert(1)</script> $(cat /etc/passwd) --"
    page = browser.post("/admin/login/", {"username": "admin", "password": password})
    assert page.status == 200
    assert "errornote" in page.text


def test_the_language_is_changed(admin: Browser) -> None:
    admin.get("/admin/")
    page = admin.post("/i18n/setlang/", {"language": "en", "next": "/admin/"})
    assert page.status == 200
    assert 'lang="en"' in page.text


def test_files_are_downloaded_whole_and_in_part(admin: Browser) -> None:
    whole = admin.get("/static/admin/css/base.css")
    assert whole.status == 200
    assert len(whole.body) == int(whole.headers["Content-Length"])
    part = admin.get("/static/admin/css/base.css", {"Range": "bytes=0-99"})
    assert part.status == 206
    assert part.body == whole.body[:100]
    assert admin.get("/admin/jsi18n/").status == 200


def test_a_program_creates_and_approves_by_json(site: Site, console: str) -> None:
    start = datetime.now(UTC) + timedelta(days=2)
    body = {
        "slug": f"api-{time.time_ns():x}",
        "title": TITLES[0],
        "merchant": "demo",
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(hours=1)).isoformat(),
        "items": [
            {
                "sku": f"S-{number}-{time.time_ns():x}",
                "title": title,
                "units": 10,
                "price_minor": 1999,
            }
            for number, title in enumerate(TITLES)
        ],
    }
    status, made = _api(site, console, "/api/v1/campaigns/", body)
    assert status == 201, made
    assert [item["title"] for item in made["items"]] == list(TITLES)
    status, moved = _api(site, console, f"/api/v1/campaigns/{body['slug']}/approve/", {})
    assert (status, moved["state"]) == (200, "approved")
    assert _api(site, console, "/api/v1/campaigns/?page=1")[0] == 200


def test_a_form_from_another_site_is_django_s_to_refuse(admin: Browser) -> None:
    """Host and scheme reach Django as the browser has them, so its check of Origin works."""
    sent = {"Origin": "http://evil.example", "Content-Type": "application/x-www-form-urlencoded"}
    token = f"csrfmiddlewaretoken={admin.cookie('csrftoken')}&language=en".encode()
    page = admin._open("/i18n/setlang/", token, sent)
    assert page.status == 403
    assert "CSRF" in page.text


def test_an_answer_has_the_console_s_headers_once(admin: Browser) -> None:
    page: Page = admin.get("/admin/")
    for name in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy"):
        assert len(page.headers.get_all(name, [])) == 1, name
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
