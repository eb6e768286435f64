"""The workers of the order path: each a Python module with its metrics on a port."""

import sys

from deploy.local.checks import http_answers
from deploy.local.process import Process

# Workers call the control plane's services, and the stock agent renders the scripts in lua/.
SOURCES = ("workers", "control_plane", "lua")


def _worker(name: str) -> Process:
    """A worker is alive when it serves its metrics, healthy when it says that it does its work."""
    module = f"workers.{name.replace('-', '_')}"
    return Process(
        name=name,
        command=lambda site: [sys.executable, "-m", module],
        alive=http_answers(name, "/metrics"),
        healthy=http_answers(name, "/readyz"),
        ports=(name,),
        url_path="/metrics",
        sources=SOURCES,
    )


STOCK_AGENT = _worker("stock-agent")
QUEUE_CONTROLLER = _worker("queue-controller")
RELAY = _worker("relay")
ORDER_CONSUMER = _worker("order-consumer")
INVENTORY_CONSUMER = _worker("inventory-consumer")
ORDER_COURIER = _worker("order-courier")
COMPENSATOR = _worker("compensator")
WEBHOOK_CONSUMER = _worker("webhook-consumer")
RISK_SCORER = _worker("risk-scorer")
