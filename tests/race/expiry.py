"""The task that ends unpaid orders, once, as a process of its own: `python -m tests.race.expiry`.

What Celery's worker does every second. A process of its own, because a test kills it.
"""

import django


def main() -> None:
    """One run."""
    django.setup()
    from control_plane.orders.tasks import expire_orders

    expire_orders()


if __name__ == "__main__":
    main()
