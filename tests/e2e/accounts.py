"""New accounts of the stack's console, with the roles that `prepare` has written."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

from playwright.sync_api import Page

from deploy.local.site import ROOT, Site

MAKE = """
import json, os
from django.contrib.auth.models import Group, User
for name, groups in json.loads(os.environ["ACCOUNTS"]).items():
    user = User.objects.create_user(name, password=os.environ["PASSWORD"], is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    assert user.groups.count() == len(groups), groups
"""
# Long and random enough for the validators; the stack is this machine's alone.
PASSWORD = "correct-horse-battery-1"


class Account(NamedTuple):
    """Who logs in."""

    username: str
    password: str


def console_of(site: Site) -> str:
    """The origin of the stack's console."""
    return f"http://127.0.0.1:{site.port('gateway-console')}"


def administrator(site: Site) -> Account:
    """Whom the stack makes."""
    return Account("admin", (site.state / "admin-password").read_text().strip())


def log_in(page: Page, origin: str, account: Account, path: str = "/admin/") -> None:
    """By the form, as people do, on the way to `path`."""
    page.goto(f"{origin}{path}")
    page.fill("[name=username]", account.username)
    page.fill("[name=password]", account.password)
    page.locator("#login-form [type=submit]").click()
    page.wait_for_url(f"{origin}{path}")


def accounts(environment: Mapping[str, str], **roles: str) -> dict[str, Account]:
    """One account for each keyword, in the group of its value; the names are new each time."""
    names = {who: f"{who}-{time.time_ns():x}" for who in roles}
    asked = {names[who]: [role] for who, role in roles.items()}
    subprocess.run(
        [sys.executable, "-m", "control_plane", "shell", "--verbosity", "0", "-c", MAKE],
        cwd=ROOT,
        env={**environment, "ACCOUNTS": json.dumps(asked), "PASSWORD": PASSWORD},
        check=True,
        capture_output=True,
        text=True,
    )
    return {who: Account(name, PASSWORD) for who, name in names.items()}
