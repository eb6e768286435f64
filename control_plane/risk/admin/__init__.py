"""Where operators look at robots and abuse, and what they may do about them."""

from control_plane.risk.admin import bans, changes, limits, rules  # registers the pages

__all__ = ["bans", "changes", "limits", "rules"]
