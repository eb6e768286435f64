"""New accounts of the stack's console, with the roles that `prepare` has written."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

from deploy.local.site import ROOT

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

    name: str
    password: str


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
