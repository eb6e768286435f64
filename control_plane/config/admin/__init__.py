"""What belongs to no app of ours in the admin: the clock's schedule, users and groups."""

from control_plane.config.admin import schedule, users  # registers the pages

__all__ = ["schedule", "users"]
