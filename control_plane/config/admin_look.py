"""How the admin looks: the settings of django-unfold."""

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext

# The green of the storefront (#159383); white text on 600 has a contrast above 4.5.
_GREEN = {
    "50": "oklch(98% .012 183)",
    "100": "oklch(95% .03 183)",
    "200": "oklch(90.5% .06 183)",
    "300": "oklch(84% .085 183)",
    "400": "oklch(74% .1 183)",
    "500": "oklch(63% .1 183)",
    "600": "oklch(52.5% .088 184)",
    "700": "oklch(46% .078 185)",
    "800": "oklch(39.5% .066 186)",
    "900": "oklch(34.5% .054 187)",
    "950": "oklch(26% .042 188)",
}


def _site(_request: object) -> str:
    """Asked for each page: django-unfold takes a lazy string for what it is when it starts."""
    return gettext("Sluice")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _site,
    "SITE_HEADER": _site,
    "SITE_ICON": lambda request: static("sluice/icon.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("sluice/icon.svg"),
        }
    ],
    # There is no other site: shoppers are served by the edge.
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "COLORS": {"primary": _GREEN},
    "BORDER_RADIUS": "6px",
    "STYLES": [
        lambda request: static("campaigns/admin.css"),
        lambda request: static("sluice/admin.css"),
    ],
    "DASHBOARD_CALLBACK": "control_plane.config.dashboard.fill",
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "control_plane.config.navigation.sidebar",
    },
}
