"""Checks that several processes share."""

import urllib.error
import urllib.request
from collections.abc import Callable

from deploy.local.process import Unhealthy
from deploy.local.site import Site

TIMEOUT_S = 2.0


def http_answers(port: str, path: str) -> Callable[[Site], None]:
    """A check that GET on the named port's path answers 200."""

    def check(site: Site) -> None:
        url = f"http://{site.address(port)}{path}"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError as error:
            raise Unhealthy(f"GET {url}: {error}") from error
        if status != 200:
            raise Unhealthy(f"GET {url}: status {status}")

    return check
