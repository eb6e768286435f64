"""How the admin looks: the settings of django-unfold."""

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext

# Water: hue 235, as dark as white text on 600 needs (contrast above 4.5).
_WATER = {
    "50": "oklch(97.6% .013 235)",
    "100": "oklch(95% .026 235)",
    "200": "oklch(90% .055 235)",
    "300": "oklch(82.5% .1 235)",
    "400": "oklch(73% .135 235)",
    "500": "oklch(63% .145 238)",
    "600": "oklch(53% .135 241)",
    "700": "oklch(46% .12 243)",
    "800": "oklch(40% .1 244)",
    "900": "oklch(35% .08 245)",
    "950": "oklch(27% .065 247)",
}


def _site(_request: object) -> str:
    """Asked for each page: django-unfold takes a lazy string for what it is when it starts."""
    return gettext("Sluice")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _site,
    "SITE_HEADER": _site,
    "SITE_SYMBOL": "water_drop",
    # There is no other site: shoppers are served by the edge.
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "COLORS": {"primary": _WATER},
    "BORDER_RADIUS": "6px",
    "STYLES": [
        lambda request: static("campaigns/admin.css"),
        lambda request: static("sluice/admin.css"),
    ],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": "control_plane.config.navigation.sidebar",
    },
}
