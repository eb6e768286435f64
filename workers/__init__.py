"""The processes between the stock Redis, Kafka and PostgreSQL; `README.md` has the table of them.

Workers call the control plane's services, and those import models, which Django only allows after
its setup; hence the setup here, before any module of this package is imported.
"""

import os

import django
from django.apps import apps

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
if not apps.ready:
    django.setup()
