"""What can be wrong with a payment, and with whom it is asked of."""


class ProviderUnavailable(Exception):
    """It did not answer, or not clearly: it may have done it. The same call again tells."""


class ProviderRefused(Exception):
    """A clear no, which a repeat would not change."""


class PaymentError(Exception):
    """Nothing was changed. `code` is for programs."""

    code = "payment_error"


class NotTaken(Exception):
    """The database cannot do it now; nothing was changed. The same call again may do it."""


class UnknownOrder(PaymentError):
    """There is no such order, or it is somebody else's."""

    code = "not_found"


class NotPayable(PaymentError):
    """The order is paid, has ended, or its time to pay is over."""

    code = "not_payable"


class UnknownPayment(PaymentError):
    """The provider has no payment of this id."""

    code = "not_found"


class Mismatch(PaymentError):
    """A callback about another amount, currency or order than the payment's; `field` says which."""

    code = "mismatch"

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class EventReused(PaymentError):
    """The event id was used for another payment."""

    code = "event_reused"
