"""From the approval to the shopper: the control plane publishes, the real workerd serves."""

import json
import subprocess
import sys

from deploy.local.site import ROOT, Site
from tests.e2e.browser import Browser
from tests.e2e.conftest import wait_for

NO_LANGUAGE = {"Accept-Language": "en"}


def _edge(site: Site) -> Browser:
    return Browser(f"http://127.0.0.1:{site.port('edge')}")


def _published(edge: Browser, slug: str):
    """The page, once it is there."""

    def page():
        answer = edge.get(f"/c/{slug}", NO_LANGUAGE)
        return answer if answer.status == 200 else None

    return wait_for(page, f"the page of {slug}")


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


def test_the_page_follows_what_somebody_writes_and_the_end(
    site: Site, create_campaign, stack_environment
):
    campaign = create_campaign("words", units=1, starts_in_s=2, lasts_s=3)
    edge = _edge(site)
    _published(edge, campaign["slug"])
    write = (
        "from control_plane.campaigns.models import Campaign\n"
        "from control_plane.pages.services import TEXTS, Writing, write_page\n"
        f"campaign = Campaign.objects.get(pk={campaign['id']})\n"
        "texts = dict.fromkeys(TEXTS, '') | {'title_en': 'A <b>new</b> title'}\n"
        "write_page(campaign, Writing(texts), {})\n"
    )
    command = [sys.executable, "-m", "control_plane", "shell", "-c", write]
    subprocess.run(command, cwd=ROOT, env=stack_environment, check=True, capture_output=True)

    def shows(text: str):
        return lambda: text in edge.get(f"/c/{campaign['slug']}", NO_LANGUAGE).text

    wait_for(shows("A &lt;b&gt;new&lt;/b&gt; title"), "the new title")
    wait_for(shows("This sale has ended."), "the end")


def test_somebody_uploads_a_picture_in_the_console_and_shoppers_see_it(site: Site, create_campaign):
    """Past the firewall: a picture is larger than anything else that people send."""
