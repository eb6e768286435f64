"""What shoppers, devices, addresses and levels look like, as the gateway reads them in tokens."""

import ipaddress
import re
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from control_plane.merchants.models import SHOPPER_PATTERN

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

DEVICE_PATTERN = re.compile(r"[A-Za-z0-9_-]{8,64}")
LEVEL_PATTERN = re.compile(r"[a-z_]{1,32}")
# The printable characters of ASCII; header values with others do not come through the gateway.
USER_AGENT_PATTERN = re.compile(r"[\x20-\x7e]{4,200}")


def checked_network(text: str) -> str:
    """The canonical form of a CIDR range. Raises ValidationError, which offers what was meant."""
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValidationError(
            _("A network such as 10.0.0.0/8 or 2001:db8::/32, or one address.")
        ) from None
    raise ValidationError(_("The address is inside of the network. Do you mean %s?") % meant)


def checked_address(text: str) -> str:
    """The canonical form of one address. Raises ValidationError."""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValidationError(_("An address such as 203.0.113.9 or 2001:db8::1.")) from None


def checked_device(text: str) -> str:
    """A device's hash. Raises ValidationError."""
    return _matching(DEVICE_PATTERN, text, _("8 to 64 characters of A-Z a-z 0-9 _ -"))


def checked_shopper(text: str) -> str:
    """A shopper's id. Raises ValidationError."""
    return _matching(SHOPPER_PATTERN, text, _("1 to 64 characters of A-Z a-z 0-9 . _ : -"))


def checked_level(text: str) -> str:
    """A level of tokens. Raises ValidationError."""
    return _matching(LEVEL_PATTERN, text, _("1 to 32 characters of a-z and _"))


def checked_user_agent(text: str) -> str:
    """A part of a browser's name, in lower case: it is compared with one. ValidationError."""
    sentence = _("4 to 200 characters without accents; fewer would be in every browser's name.")
    return _matching(USER_AGENT_PATTERN, text.lower(), sentence)


def _matching(pattern: re.Pattern[str], text: str, sentence: "_StrPromise") -> str:
    text = text.strip()
    if not pattern.fullmatch(text):
        raise ValidationError(sentence)
    return text
