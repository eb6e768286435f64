"""The page of a campaign, from its facts. Everything is escaped by the template."""

import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import get_template
from django.utils import translation

Json = dict[str, Any]

TEMPLATE = "pages/campaign.html"
# The edge's name of a language, Django's, and what HTML calls it.
LANGUAGES = {"en": ("en", "en"), "zh": ("zh-hans", "zh-CN")}
# ISO 4217's currencies without the two decimals that all others of a shop have.
_DECIMALS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "KWD": 3, "BHD": 3, "JOD": 3}
_SIGNS = {"CNY": "¥", "EUR": "€", "GBP": "£", "JPY": "¥", "KRW": "₩", "USD": "$"}
_WIDE_PX, _NARROW_PX = 704, 640


def page_html(facts: Json, language: str, *, assets: str = "/assets/", files: str = "/p/") -> bytes:
    """The page in `en` or `zh`; style and icon are below `assets`, pictures below `files`.

    Names of assets are plain: the edge puts in the hashed ones that it serves.
    """
    django_name, html_name = LANGUAGES[language]
    other = "zh" if language == "en" else "en"
    with translation.override(django_name):
        text = get_template(TEMPLATE).render(
            {
                "language": language,
                "html_language": html_name,
                "other_html_language": LANGUAGES[other][1],
                "slug": facts["slug"],
                "merchant": facts["merchant"],
                "ended": facts["ended"],
                "starts_at": _moment(facts["start_ms"]),
                "ends_at": _moment(facts["end_ms"]),
                "pay_href": facts["pay_href"],
                "shop_href": facts["shop_href"],
                "assets": assets,
                "items": [_item(item, language, files) for item in facts["items"]],
                **_words(facts, language, files),
            }
        )
    return text.encode()


def campaign_json(facts: Json) -> bytes:
    """The facts themselves."""
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@cache
def renderer_digest() -> str:
    """Changes when pages would come out differently from the same facts."""
    words = sorted(Path(settings.LOCALE_PATHS[0]).rglob("*.mo"))
    own = Path(__file__).parent
    sources = [*sorted((own / "templates" / "pages").iterdir()), own / "render.py", *words]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def price(price_minor: int, currency: str) -> str:
    """As `¥19.99`, or `19.99 XYZ` where the sign is not known. Exact: no floating point."""
    decimals = _DECIMALS.get(currency, 2)
    whole, part = divmod(price_minor, 10**decimals)
    amount = f"{whole:,}" + (f".{part:0{decimals}}" if decimals else "")
    sign = _SIGNS.get(currency)
    return f"{sign}{amount}" if sign else f"{amount} {currency}"


def _words(facts: Json, language: str, files: str) -> Json:
    picture = facts["picture"]
    return {
        "title": facts["title"][language],
        "text": facts["text"][language],
        "picture": _picture(picture, language, files) if picture else None,
    }


def _item(item: Json, language: str, files: str) -> Json:
    return {
        "id": item["id"],
        "price": price(item["price_minor"], item["currency"]),
        "units": item["units"],
        "limit": item["limit"],
        "is_drawn": item["draw_commit"] is not None,
        "commit": item["draw_commit"],
        **_words(item, language, files),
    }


def _picture(picture: Json, language: str, files: str) -> Json:
    widths = picture["files"]
    return {
        "alt": picture["alt"][language],
        "set": ", ".join(f"{files}{one['file']} {one['width']}w" for one in widths),
        "sizes": f"(min-width: {_WIDE_PX}px) {_NARROW_PX}px, 92vw",
        "url": f"{files}{widths[-1]['file']}",
        "width": widths[-1]["width"],
        "height": widths[-1]["height"],
    }


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)
