"""Moved to `control_plane.orders.projection`, where the ends of orders are written too."""

from control_plane.orders.projection import KEY_PREFIX, connect, status, write

__all__ = ["KEY_PREFIX", "connect", "status", "write"]
