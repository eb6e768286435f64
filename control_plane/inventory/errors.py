"""Why units or epochs stayed as they were; `message` is for people, the class for programs."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class InventoryError(Exception):
    """Nothing was changed."""

    message: "_StrPromise" = _("This is not possible now.")


class NoPool(InventoryError):
    """The item has no pool: its campaign was never approved."""

    message = _("The campaign of this item was never approved.")


class NotEnoughUnits(InventoryError):
    """Fewer units are there than were asked for."""

    message = _("There are not that many unsold units.")


class TooManyUnits(InventoryError):
    """The pool's total would exceed what its column holds."""

    message = _("That is more units than an item can have.")


class CampaignOver(InventoryError):
    """The campaign has ended: its units are not changed any more."""

    message = _("The campaign has ended.")


class AllocationNotSelling(InventoryError):
    """The allocation does not exist, sells no more, or is not of a kind that can do this."""

    message = _("This epoch does not sell any more.")


class LifeTaken(InventoryError):
    """The epoch belongs to another life of a node."""

    message = _("This epoch belongs to another life of its node.")


class GrantUnknown(InventoryError):
    """No grant has this id."""


class ReclaimUnknown(InventoryError):
    """No reclaim has this id."""


class RearmUnknown(InventoryError):
    """No re-arm has this id."""


class RearmTooFar(InventoryError):
    """The re-arm is closed, or there is none: nothing of it can be given up."""

    message = _("Only a re-arm that is not closed can be given up.")


class RearmNotReady(InventoryError):
    """The epoch may still have undecided reservations: its barrier has not been sent."""

    message = _("The old epoch is not drained yet.")


class AlreadyThere(InventoryError):
    """This source is the one that sells."""

    message = _("This stock source is already in use.")


class StandbyNotConfigured(InventoryError):
    """This installation has no standby: nothing could sell there."""

    message = _("There is no standby cluster here.")


class ChangeNotWaiting(InventoryError):
    """The change is no withdrawal, is done, or was cancelled before."""

    message = _("Nothing of this change is waiting any more.")
