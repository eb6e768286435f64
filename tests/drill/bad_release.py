"""An order consumer that understands nothing: `python -m tests.drill.bad_release`.

The real one with one call replaced, as a release would be that reads another version.
"""

from typing import Never

from confluent_kafka import Message

from workers import order_consumer
from workers.runtime.verdicts import InvalidMessage


def understand_nothing(handler: object, message: Message) -> Never:
    """In place of OrderHandler.decode."""
    raise InvalidMessage("v: is not what this release reads")


if __name__ == "__main__":
    order_consumer.OrderHandler.decode = understand_nothing  # type: ignore[assignment, method-assign]
    order_consumer.main()
