"""A provider that is asked over HTTP with signed requests, and answers with signed callbacks.

`POST {url}/payments` has it collect, `POST {url}/refunds` has it give back; both signed as its
callbacks are (`signature`), both safe to repeat: `payment_id` and `key` name what is asked for.
A provider that speaks otherwise needs a class of its own, or a translator in front of it.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from control_plane.outgoing import transport
from control_plane.payments import signature
from control_plane.payments.errors import ProviderRefused, ProviderUnavailable

if TYPE_CHECKING:
    from control_plane.payments.models import Payment, Refund

TIMEOUT_S = 5.0
# What a repeat does not change (RFC 9110 §15.5), unlike 408, 425 and 429.
_FINAL = frozenset({400, 401, 403, 404, 405, 409, 410, 413, 415, 422})
_PAY_URL_LENGTH_MAX = 1000


class SignedHttpProvider:
    """See `providers.Provider`."""

    def __init__(self, name: str, url: str, keys: Sequence[str]) -> None:
        self.name = name
        self._url = url
        self._keys = tuple(keys)

    def keys(self) -> Sequence[str]:
        """The first signs, a second one is being retired."""
        return self._keys

    def begin(self, payment: "Payment") -> str | None:
        """Where the shopper pays, if it says so."""
        answer = self.post(f"{self._url}/payments", about(payment))
        pay_url = answer.get("pay_url")
        if pay_url is None:
            return None
        if (
            type(pay_url) is not str
            or len(pay_url) > _PAY_URL_LENGTH_MAX
            or not pay_url.startswith(("https://", "http://"))
        ):
            raise ProviderUnavailable("its pay_url is no address")
        return pay_url

    def refund(self, refund: "Refund") -> None:
        """The refund's id is the key under which it gives back once."""
        payment = refund.payment
        wish = {
            "key": str(refund.pk),
            "payment_id": str(payment.pk),
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
        }
        self.post(f"{self._url}/refunds", wish)

    def post(self, url: str, content: dict[str, Any]) -> dict[str, Any]:
        """Send it, signed; the object of a 2xx. Raises ProviderRefused, ProviderUnavailable."""
        body = json.dumps(content).encode()
        headers = {
            "Content-Type": "application/json",
            signature.HEADER: signature.sign(self._keys, body, timezone.now()),
        }
        try:
            # Its address is the operators' choice, and may be in their own network.
            answer = transport.post(url, headers, body, private=True, total_s=TIMEOUT_S)
        except transport.NoAnswer as error:
            raise ProviderUnavailable(str(error)) from error
        if 200 <= answer.status < 300:
            return _object(answer.body)
        said = f"{answer.status}: {answer.body[:200].decode(errors='replace')}"
        if answer.status in _FINAL:
            raise ProviderRefused(said)
        raise ProviderUnavailable(said)


def about(payment: "Payment") -> dict[str, Any]:
    """What a provider has to know, and says again in its callback."""
    return {
        "payment_id": str(payment.pk),
        "order_number": payment.order.number,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
    }


def _object(body: bytes) -> dict[str, Any]:
    """Nothing that has to be read stands in an answer that is no object: it said yes."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if type(content) is dict else {}
