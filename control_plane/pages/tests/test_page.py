"""What a page says, and that nobody's words become its code."""

import re
from html.parser import HTMLParser

import pytest

from control_plane.pages import render, services
from control_plane.pages.facts import campaigns_to_publish, facts_of
from control_plane.pages.models import Picture, PictureFile
from control_plane.pages.pictures import draw
from control_plane.pages.services import TEXTS, Writing
from control_plane.pages.tests.conftest import upload, write, write_addresses

pytestmark = pytest.mark.django_db

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 }}{% now 'Y' %}"


class _Tags(HTMLParser):
    """Every tag of a page as a browser reads it, with the names of its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, [name for name, _ in attrs]))


def _page(now, language="en"):
    (campaign,) = campaigns_to_publish(now)
    return render.page_html(facts_of(campaign), language).decode()


def test_each_language_has_its_words(approved, now):
    write(approved, title_en="Spring tea", title_zh="春茶", text_en="Green.", text_zh="绿茶。")
    english, chinese = _page(now), _page(now, "zh")
    assert '<html lang="en">' in english
    assert '<html lang="zh-CN">' in chinese
    assert "<h1>Spring tea</h1>" in english
    assert "<p>Green.</p>" in english
    assert "<h1>春茶</h1>" in chinese
    assert "<p>绿茶。</p>" in chinese
    assert "每人限购" in chinese


def test_what_is_missing_comes_from_the_campaign_or_the_other_language(approved, now):
    write(approved, text_zh="绿茶。")
    assert "<h1>Spring</h1>" in _page(now, "zh")
    assert "<p>绿茶。</p>" in _page(now, "en")


def test_every_item_is_a_component_that_falls_back_to_a_link(approved, now, item):
    page = _page(now, "zh")
    assert f'<flash-sale item="{item.pk}" lang="zh">' in page
    assert '<a class="go until-defined" href="/?campaign=spring' in page
    assert "¥19.99" in page


def test_a_page_leads_into_the_shop_where_there_is_one(approved, now):
    pay, shop = "https://shop.example/pay/{order}?a=1&b=2", 'https://shop.example/spring?x="&y'
    write_addresses(approved, pay_href=pay, shop_href=shop)
    (campaign,) = campaigns_to_publish(now)
    assert (facts_of(campaign)["pay_href"], facts_of(campaign)["shop_href"]) == (pay, shop)
    chinese = _page(now, "zh")
    assert ' pay-href="https://shop.example/pay/{order}?a=1&amp;b=2">' in chinese
    assert 'href="https://shop.example/spring?x=&quot;&amp;y">前往商店购买</a>' in chinese
    assert "Buy in the shop</a>" in _page(now)
    assert "/?campaign=" not in chinese


def test_a_page_without_addresses_names_none(approved, now):
    (campaign,) = campaigns_to_publish(now)
    assert (facts_of(campaign)["pay_href"], facts_of(campaign)["shop_href"]) == (None, None)
    page = _page(now)
    assert "pay-href" not in page
    assert "to-shop" not in page


def test_a_sale_that_is_over_sends_nobody_to_the_shop(approved, now):
    write_addresses(approved, shop_href="https://shop.example/")
    (campaign,) = campaigns_to_publish(now)
    assert b"to-shop" not in render.page_html(facts_of(campaign) | {"ended": True}, "en")


def test_what_leads_from_the_page_keeps_its_language(approved, now):
    for language, tag in (("en", "en"), ("zh", "zh-CN")):
        inside = re.findall(r'href="(/(?:\?|draw)[^"]*)"', _page(now, language))
        assert inside
        assert all(f"lang={tag}" in href for href in inside)


def test_a_picture_has_its_widths_and_its_words(approved, now):
    drawn = draw(upload(), 1)
    write(approved, drawn, alt_en="A cup", alt_zh="一杯茶")
    page = _page(now)
    assert 'alt="A cup"' in page
    assert 'width="1000" height="500"' in page
    for one in drawn:
        assert f"/p/{one.name} {one.width}w" in page


def test_a_picture_that_is_replaced_or_removed_is_gone(approved, now):
    write(approved, draw(upload(), 1))
    write(approved, draw(upload(400, 400), 1))
    assert Picture.objects.count() == 1
    write(approved, remove=True)
    assert Picture.objects.count() == PictureFile.objects.count() == 0
    assert "<img class" not in _page(now)


def test_nobodys_words_become_code(approved, now, item):
    every = dict.fromkeys(TEXTS, EVIL)
    picture = draw(upload(300, 300), 1)
    services.write_page(
        approved, Writing(every, picture), {item: Writing(every, draw(upload(200, 200), 1))}
    )
    for language in ("en", "zh"):
        page = _page(now, language)
        tags = _Tags(page).found
        named = [name for name, _ in tags]
        assert named.count("script") == 2  # the page's own
        assert named.count("img") == 3  # the icon and two pictures
        assert not [names for _, names in tags if any(name.startswith("on") for name in names)]
        assert "{{ 7 }}" in page


def test_the_page_has_no_inline_code_or_style(approved, now):
    """The policy that the edge sends would refuse it."""
    page = _page(now)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert not re.search(r"\s(?:style|on\w+)=", page)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1999, "CNY", "¥19.99"),
        (5, "USD", "$0.05"),
        (123456789, "EUR", "€1,234,567.89"),
        (500, "JPY", "¥500"),
        (12345, "KWD", "12.345 KWD"),
        (10**12, "CNY", "¥10,000,000,000.00"),
    ],
)
def test_prices_are_exact(minor, currency, text):
    assert render.price(minor, currency) == text
