"""Addresses of a merchant's shop that a page leads to: people follow them with their money."""

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

# Where the number of an order goes; the same word as in the component's attribute `pay-href`.
ORDER = "{order}"
_is_address = URLValidator(
    schemes=["http", "https"], message=_("It has to be a whole address, such as https://…")
)


def check_shop_href(value: str) -> None:
    """An absolute http or https address, without a name or password in it."""
    _is_address(value)
    if "@" in urlsplit(value).netloc:
        raise ValidationError(_("It must not have a user's name in it."))


def check_pay_href(value: str) -> None:
    """As a shop's, with `{order}` once: behind the host, so that an order never chooses it."""
    check_shop_href(value.replace(ORDER, "1"))
    if value.count(ORDER) != 1 or ORDER in urlsplit(value).netloc:
        raise ValidationError(_("It needs {order} once, behind the host's name."))
