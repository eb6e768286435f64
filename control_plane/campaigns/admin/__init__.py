"""Where marketers work."""

from control_plane.campaigns.admin.campaign import CampaignAdmin
from control_plane.campaigns.admin.settlement import SettlementAdmin

__all__ = ["CampaignAdmin", "SettlementAdmin"]
