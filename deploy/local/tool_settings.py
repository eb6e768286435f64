"""The control plane's settings for pytest and mypy: read in the environment of profile `test`.

Both tools load Django before any file of theirs could set a variable, and with the plain settings
they would need a prepared shell; with these, `pytest` and `mypy` work as they are.
"""

import os

from deploy.local import environment
from deploy.local.site import Site

os.environ.update(environment.values(Site("test")))

from control_plane.config.settings import *  # noqa: F403

# Each client of a test makes the middleware anew, and it would list all files anew.
WHITENOISE_AUTOREFRESH = True
