"""`python -m control_plane <command>`: Django's management commands."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    execute_from_command_line(["python -m control_plane", *sys.argv[1:]])
