"""Webhooks in the admin: endpoints with their secrets, and the delivery log."""

from control_plane.webhooks.admin.deliveries import DeliveryAdmin
from control_plane.webhooks.admin.endpoints import EndpointAdmin

__all__ = ["DeliveryAdmin", "EndpointAdmin"]
