"""Where the units are, and what people may do about it; `services` moves units."""

from control_plane.inventory.admin import epochs, pools, source  # registers the pages

__all__ = ["epochs", "pools", "source"]
