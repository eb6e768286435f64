"""The demo's payment provider: collects no money, and is reached and answers over real HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from control_plane.payments import signature
from control_plane.payments.errors import ProviderRefused, ProviderUnavailable

if TYPE_CHECKING:
    from control_plane.payments.models import Payment, Refund

TIMEOUT_S = 5.0
# What a repeat does not change (RFC 9110 §15.5), unlike 408, 425 and 429.
_FINAL = frozenset({400, 401, 403, 404, 405, 409, 410, 413, 415, 422})


class DemoProvider:
    """See `providers.Provider`."""

    name = "demo"

    def keys(self) -> Sequence[str]:
        """Of the environment."""
        return settings.ENV.demo_payment_keys

    def begin(self, payment: "Payment") -> None:
        """Its callback comes from a Celery task, as from another machine."""
        from control_plane.payments.tasks import demo_collect

        try:
            demo_collect.delay(str(payment.pk))
        except OperationalError as error:
            raise ProviderUnavailable(str(error)) from error

    def refund(self, refund: "Refund") -> None:
        """Ask its refund endpoint."""
        payment = refund.payment
        self.post(
            "/payments/demo/refunds",
            {
                "key": str(refund.pk),
                "payment_id": str(payment.pk),
                "amount_minor": payment.amount_minor,
                "currency": payment.currency,
            },
        )

    def post(self, path: str, content: dict[str, Any]) -> None:
        """Send it, signed; returning is 200. Raises ProviderRefused or ProviderUnavailable."""
        body = json.dumps(content).encode()
        headers = {
            "Content-Type": "application/json",
            signature.HEADER: signature.sign(self.keys(), body, timezone.now()),
        }
        url = f"{settings.ENV.control_plane_url}{path}"
        try:
            request = urllib.request.Request(url, body, headers, method="POST")
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            with error:
                said = f"{error.code}: {error.read(200).decode(errors='replace')}"
            if error.code in _FINAL:
                raise ProviderRefused(said) from error
            raise ProviderUnavailable(said) from error
        except (OSError, HTTPException) as error:
            raise ProviderUnavailable(str(error)) from error
