"""The switch console in Chromium: thrown by clicking, obeyed by the gateway, back by itself."""

import re

from playwright.sync_api import Locator, Page, expect

from deploy.local.site import Site
from tests.e2e.accounts import administrator, console_of, log_in
from tests.e2e.chromium import DEADLINE_MS, chromium, complaints, open_page, shoot_all
from tests.e2e.conftest import JsonObject, wait_for
from tests.e2e.test_campaign_on_time import query

CONSOLE = "/admin/switches/console/"
REVERT = """
SELECT revert.by_clock, revert.reason FROM switches_switchrevert revert
  JOIN switches_switchthrow throw ON throw.id = revert.throw_id
 WHERE throw.campaign_id = %s
"""


def _throw(
    page: Page, name: str, campaign: JsonObject, lasts: str, reason: str, value: str | None = None
) -> tuple[Locator, Locator]:
    """Fill the dialog in for this campaign and press its button; the switch's row, the dialog."""
    row, dialog = page.locator(f".console-switch.switch-{name}"), page.locator(f"#throw-{name}")
    row.get_by_role("button", name="Throw").click()
    if value is not None:
        dialog.locator("[name=value]").select_option(value)
    dialog.locator("[name=where]").select_option(f"campaign:{campaign['id']}")
    dialog.locator("[name=lasts]").select_option(lasts)
    dialog.locator("[name=reason]").fill(reason)
    dialog.get_by_role("button", name="Throw").click()
    return row, dialog


def test_a_switch_is_thrown_by_clicking_and_reverts_by_itself(
    site: Site, stack_environment: dict[str, str], create_campaign
) -> None:
    # Until the end of the campaign is the shortest that can be chosen.
    campaign = create_campaign("console", units=1, starts_in_s=5, lasts_s=45)
    with chromium() as browser:
        page = open_page(browser)
        errors = complaints(page)
        log_in(page, console_of(site), administrator(site), CONSOLE)
        selling, dialog = _throw(page, "sale_enabled", campaign, "end", "only a test")
        expect(dialog.locator("[data-field=confirm]")).to_have_text(
            f"Type {campaign['slug']} to confirm."
        )
        dialog.locator("[name=confirm]").fill(campaign["slug"])
        dialog.get_by_role("button", name="Throw").click()
        throw = selling.locator(".throw", has_text="only a test")
        expect(throw).to_contain_text("admin")
        expect(throw).to_contain_text("reverts in 00:00:")
        # Without a reload: what the gateways say of themselves, then the clock's work.
        expect(throw.locator(".running-line")).to_contain_text(re.compile(r"gateway: (\d+) of \1"))
        shoot_all(page, "switch-console", fresh=".console-switch")
        expect(throw).to_have_count(0, timeout=DEADLINE_MS)
        assert errors == []
    # It is over by its time; the row that says so comes with the clock's next round.
    found = wait_for(
        lambda: query(stack_environment, REVERT, campaign["id"]), "the revert to be written down"
    )
    assert found == (True, "")


def test_a_switch_is_taken_back_by_clicking_with_a_reason(
    site: Site, stack_environment: dict[str, str], create_campaign
) -> None:
    campaign = create_campaign("console-back", units=1, starts_in_s=5, lasts_s=150)
    with chromium() as browser:
        page = open_page(browser)
        errors = complaints(page)
        log_in(page, console_of(site), administrator(site), CONSOLE)
        risk, _ = _throw(page, "risk_mode", campaign, "reverted", "a rule is wrong", "shadow")
        throw = risk.locator(".throw", has_text="a rule is wrong")
        throw.get_by_role("button", name="Revert").click()
        back = page.locator("dialog#revert")
        expect(back.locator(".what")).to_contain_text("shadow")
        back.get_by_role("button", name="Revert").click()
        expect(back.locator("[data-field=reason]")).to_have_text("This field is required.")
        shoot_all(page, "switch-revert")
        back.locator("[name=reason]").fill("the rule is right now")
        back.get_by_role("button", name="Revert").click()
        expect(throw).to_have_count(0, timeout=DEADLINE_MS)
        assert errors == []
    assert query(stack_environment, REVERT, campaign["id"]) == (False, "the rule is right now")
