"""`python -m deploy.local.admin_user FILE`: make the user `admin` with the password in FILE.

Idempotent; a password that somebody changed in the admin is set back, so that the file stays true.
"""

import os
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402  (needs the applications loaded)

NAME = "admin"


def main(password: str) -> None:
    """Create or correct the user."""
    users = get_user_model().objects
    user = users.filter(username=NAME).first() or users.create_superuser(NAME, password=password)
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text().strip())
