"""From the approval to the shopper: the control plane publishes, the real workerd serves."""

import io
import itertools
import json

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from deploy.local.site import Site
from tests.e2e import browser
from tests.e2e.accounts import administrator, console_of, log_in
from tests.e2e.chromium import (
    SCHEMES,
    SIZES,
    Scheme,
    chromium,
    complaints,
    keeps_nobody_out,
    open_page,
    shoot,
)
from tests.e2e.commands import Commands
from tests.e2e.conftest import JsonObject, wait_for
from tests.e2e.storefront.shop import Shop

NO_LANGUAGE = {"Accept-Language": "en"}


def _edge(site: Site) -> browser.Browser:
    return browser.Browser(f"http://127.0.0.1:{site.port('edge')}")


def _published(edge: browser.Browser, slug: str):
    """The page, once it is there."""

    def page():
        answer = edge.get(f"/c/{slug}", NO_LANGUAGE)
        return answer if answer.status == 200 else None

    return wait_for(page, f"the page of {slug}")


def write_head(
    manage: Commands,
    campaign: JsonObject,
    texts: dict[str, str] | None = None,
    addresses: dict[str, str] | None = None,
) -> None:
    """As the form in the console does."""
    write = (
        "from control_plane.campaigns.models import Campaign\n"
        "from control_plane.pages.services import TEXTS, Writing, write_page\n"
        f"campaign = Campaign.objects.get(pk={campaign['id']})\n"
        f"texts = dict.fromkeys(TEXTS, '') | {texts or {}!r}\n"
        f"write_page(campaign, Writing(texts, addresses={addresses or {}!r}), {{}})\n"
    )
    manage("shell", "-c", write)


def test_an_approved_campaign_has_its_page_within_moments(site: Site, create_campaign):
    campaign = create_campaign("page", units=3, starts_in_s=600, lasts_s=600)
    edge = _edge(site)
    page = _published(edge, campaign["slug"])
    (item,) = campaign["items"]
    assert f'<flash-sale item="{item["id"]}" lang="en">' in page.text
    assert page.headers["Cache-Control"] == "public, max-age=30, must-revalidate"
    assert item["path_key"] not in page.text
    facts = edge.get(f"/c/{campaign['slug']}/campaign.json")
    assert json.loads(facts.body)["start_ms"] == campaign["start_ms"]
    assert item["path_key"] not in facts.text


def test_the_page_follows_what_somebody_writes_and_the_end(site: Site, create_campaign, manage):
    campaign = create_campaign("words", units=1, starts_in_s=2, lasts_s=3)
    edge = _edge(site)
    _published(edge, campaign["slug"])
    write_head(manage, campaign, texts={"title_en": "A <b>new</b> title"})

    def shows(text: str):
        return lambda: text in edge.get(f"/c/{campaign['slug']}", NO_LANGUAGE).text

    wait_for(shows("A &lt;b&gt;new&lt;/b&gt; title"), "the new title")
    wait_for(shows("This sale has ended."), "the end")


def photograph() -> bytes:
    """Of the size of a real one: noise that JPEG cannot make small, and where it was taken."""
    noise = Image.effect_noise((1600, 1200), 90).convert("RGB")
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=98, exif=exif.tobytes())
    assert len(file.getvalue()) > 1_100_000, "no larger than what any form may have"
    return file.getvalue()


def test_a_picture_goes_through_the_console_to_the_shoppers(site: Site, create_campaign):
    """Past the firewall, and larger than anything else that people send."""
    campaign = create_campaign("tea", units=50, starts_in_s=3600, lasts_s=600)
    slug, (item,) = campaign["slug"], campaign["items"]
    with chromium() as running:
        page = open_page(running)
        console = console_of(site)
        log_in(page, console, administrator(site))
        page.goto(f"{console}/admin/pages/campaignpage/{campaign['id']}/edit/")
        page.locator("#id_campaign-title_en").fill("First flush, straight from the hills")
        page.locator("#id_campaign-title_zh").fill("明前春茶，山里直达")
        page.locator("#id_campaign-text_en").fill("Picked last week.\n\nUnion of quality & price.")
        page.locator("#id_campaign-text_zh").fill("上周采摘。\n\n“限时”五折；先到不一定先得。")
        page.locator("#id_campaign-upload").set_input_files(
            {"name": "tea.jpg", "mimeType": "image/jpeg", "buffer": photograph()}
        )
        page.locator(f"#id_item-{item['id']}-text_en").fill("A tin of 100 g.")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Written.")).to_be_visible()
        shoot(page, "page-form")
        preview = page.context.new_page()
        preview.goto(f"{console}/admin/pages/campaignpage/{campaign['id']}/preview/")
        expect(preview.locator("h1")).to_have_text("First flush, straight from the hills")
        assert has_pixels(preview)
        shoot(preview, "page-preview")
        wait_for(lambda: "First flush" in page_text(site, slug), "the words at the edge")
        for size, scheme, lang in itertools.product(SIZES, SCHEMES, ("en", "zh")):
            look(running, site, slug, size, scheme, lang)


def look(running: Browser, site: Site, slug: str, size: str, scheme: Scheme, lang: str) -> None:
    """As a shopper: a picture, no complaint of the policy, nothing that scrolls aside."""
    shopper = open_page(running, size, scheme)
    heard = complaints(shopper)
    shopper.goto(address(site, slug, lang))
    expect(shopper.locator("flash-sale")).to_be_visible()
    assert has_pixels(shopper)
    shoot(shopper, f"campaign-{lang}-{scheme}-{size}")
    assert shopper.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert heard == []
    shopper.context.close()


def has_pixels(page: Page) -> bool:
    """Whether the picture arrived and was drawn."""
    picture = page.locator("img.wide")
    return bool(picture.evaluate("image => image.decode().then(() => image.naturalWidth > 0)"))


def page_text(site: Site, slug: str) -> str:
    return _edge(site).get(f"/c/{slug}", NO_LANGUAGE).text


def address(site: Site, slug: str, lang: str = "en") -> str:
    return f"http://127.0.0.1:{site.port('edge')}/c/{slug}?lang={lang}"


def visit(running: Browser, site: Site, slug: str, lang: str = "en", demo: bool = True) -> Shop:
    """The page as somebody new opens it, who has no TLS: `crypto.randomUUID` is not there then."""
    page = open_page(running)
    page.add_init_script("delete Crypto.prototype.randomUUID")
    if not demo:
        page.route("**/demo/**", refuse)
    page.goto(address(site, slug, lang))
    return Shop(page)


def refuse(route: Route) -> None:
    """As an edge without the demo does."""
    problem = '{"code":"not_found"}'
    route.fulfill(status=404, content_type="application/problem+json", body=problem)


@pytest.mark.parametrize(("lang", "thanks"), [("en", "Paid. Thank you!"), ("zh", "已付款，谢谢！")])
def test_somebody_buys_and_pays_on_the_page(site: Site, create_campaign, lang: str, thanks: str):
    campaign = create_campaign("Teapot", units=3, starts_in_s=2, lasts_s=600)
    _published(_edge(site), campaign["slug"])
    with chromium() as running:
        shop = visit(running, site, campaign["slug"], lang)
        heard = complaints(shop.page)
        shop.expect_open()
        # The page says what the item is, and the component does not say it again.
        expect(shop.page.get_by_role("heading", name="Teapot", level=2)).to_be_visible()
        expect(shop.sale.locator("h3")).to_be_hidden()
        keeps_nobody_out(shop.page)
        shop.buy()
        shop.expect_state("confirmed")
        shoot(shop.page, f"campaign-{lang}-confirmed")
        keeps_nobody_out(shop.page)
        shop.pay.click()
        shop.expect_state("paid")
        expect(shop.headline).to_contain_text(thanks)
        expect(shop.page.locator(".pay-note")).to_be_empty()
        shoot(shop.page, f"campaign-{lang}-paid")
        keeps_nobody_out(shop.page)
        assert heard == shop.errors == []


def test_an_order_is_paid_where_the_merchant_says(site: Site, create_campaign, manage):
    campaign = create_campaign("Teapot", units=3, starts_in_s=5, lasts_s=600)
    pay_href = "https://shop.example/pay?order={order}"
    write_head(manage, campaign, addresses={"pay_href": pay_href})
    wait_for(lambda: "pay-href" in page_text(site, campaign["slug"]), "the address")
    with chromium() as running:
        shop = visit(running, site, campaign["slug"])
        shop.page.route("https://shop.example/**", lambda route: route.fulfill(body="the shop"))
        shop.buy()
        shop.expect_state("confirmed")
        order = shop.order_number.inner_text()
        shop.pay.click()
        shop.page.wait_for_url(f"https://shop.example/pay?order={order}")


def test_outside_the_demo_the_page_leads_into_the_shop(site: Site, create_campaign, manage):
    campaign = create_campaign("Teapot", units=3, starts_in_s=2, lasts_s=600)
    _published(_edge(site), campaign["slug"])
    with chromium() as running:
        stranger = visit(running, site, campaign["slug"], demo=False)
        stranger.buy()
        # Nobody is signed in: that is no failure, and not asked again and again.
        stranger.expect_state("no_session")
        write_head(manage, campaign, addresses={"shop_href": "https://shop.example/spring"})
        wait_for(lambda: "to-shop" in page_text(site, campaign["slug"]), "the address")
        stranger.page.goto(address(site, campaign["slug"], "zh"))
        way = stranger.page.get_by_role("link", name="前往商店购买")
        expect(way).to_have_attribute("href", "https://shop.example/spring")
        expect(stranger.card).to_have_attribute("data-phase", "open")
        expect(stranger.button).to_be_hidden()
        shoot(stranger.page, "campaign-to-shop")
        keeps_nobody_out(stranger.page)
        shopper = visit(running, site, campaign["slug"])
        shopper.expect_open()
        expect(shopper.page.locator(".to-shop")).to_have_count(0)


def test_an_unknown_campaign_has_a_page_that_says_so(site: Site):
    with chromium() as running:
        page = open_page(running, "phone")
        answer = page.goto(f"http://127.0.0.1:{site.port('edge')}/c/nowhere?lang=zh")
        assert answer
        assert answer.status == 404
        expect(page.locator("h1")).to_have_text("这里没有这个活动")
        keeps_nobody_out(page)
        shoot(page, "campaign-not-found")
