"""The demo's payment provider: collects no money, and is reached as any other, over real HTTP.

Its side of the wire is `collecting` and `refunding`, in the same control plane.
"""

from django.conf import settings

from control_plane.payments.signed_http import SignedHttpProvider


class DemoProvider(SignedHttpProvider):
    """Of the environment; what it has collected it tells from a Celery task."""

    name = "demo"

    def __init__(self) -> None:
        env = settings.ENV
        super().__init__(self.name, f"{env.control_plane_url}/payments/demo", env.demo_payment_keys)
