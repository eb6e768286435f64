"""What a payment provider has to be able to do, and which there are here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from django.conf import settings

from control_plane.payments.demo.provider import DemoProvider
from control_plane.payments.signed_http import SignedHttpProvider

if TYPE_CHECKING:
    from control_plane.payments.models import Payment, Refund


class UnknownProvider(KeyError):
    """Nobody of this name is configured."""


class Provider(Protocol):
    """One provider. Its calls leave the house: never inside a transaction."""

    name: str

    def keys(self) -> Sequence[str]:
        """The keys its callbacks are signed with; the first signs, the others are being retired."""
        ...

    def begin(self, payment: "Payment") -> str | None:
        """Have it collect the money; may be repeated. Where the shopper pays, if it says so.

        Raises ProviderRefused and ProviderUnavailable as `refund` does.
        """
        ...

    def refund(self, refund: "Refund") -> None:
        """Have it give the money back; the refund's id is the idempotency key, so repeat safe.

        Returning is yes. Raises ProviderRefused for a no that a repeat would not change, and
        ProviderUnavailable when nobody knows: the same call again tells.
        """
        ...


def get(name: str) -> Provider:
    """The provider of this name; raises UnknownProvider, also for the demo's where that is off."""
    if name == DemoProvider.name and settings.ENV.demo:
        return DemoProvider()
    configured = settings.ENV.payment_providers.get(name)
    if configured is None:
        raise UnknownProvider(name)
    return SignedHttpProvider(name, configured.url, configured.keys)
