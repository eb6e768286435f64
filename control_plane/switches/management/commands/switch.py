"""`python -m control_plane switch NAME VALUE --reason WHY`, or `switch --preset stop --reason WHY`.

With `--campaign SLUG` or `--item ID` for that alone, with `--for 10m` for so long. `--list` prints
what is in force as JSON, `--revert ID --reason WHY` takes one back,
`--revert-preset stop --reason WHY` all that a preset threw.
"""

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from control_plane.campaigns.models import Campaign, Item
from control_plane.inventory.errors import InventoryError
from control_plane.inventory.models import StockSource
from control_plane.switches import durations, presets, services
from control_plane.switches.known import SWITCHES
from control_plane.switches.models import SwitchThrow
from control_plane.switches.presets import PRESETS

WORDS = {"on": True, "true": True, "off": False, "false": False}


class Command(BaseCommand):
    """Throw a switch, take one back, or print what is in force."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Values are on, off, a number, or one of the switch's words."""
        parser.add_argument("name", nargs="?", choices=sorted(SWITCHES))
        parser.add_argument("value", nargs="?")
        parser.add_argument("--reason", default="")
        scope = parser.add_mutually_exclusive_group()
        scope.add_argument("--campaign", metavar="SLUG")
        scope.add_argument("--item", type=int, metavar="ID")
        parser.add_argument("--for", dest="lasts", type=_duration, metavar="10m")
        parser.add_argument("--preset", choices=sorted(PRESETS))
        parser.add_argument("--list", action="store_true")
        parser.add_argument("--revert", type=int, metavar="ID")
        parser.add_argument("--revert-preset", choices=sorted(PRESETS))

    def handle(self, *args: Any, **options: Any) -> None:
        """All of it or, with a message, nothing."""
        now = timezone.now()
        if options["list"]:
            values = services.effective(now).everywhere()
            thrown = [_describe(throw) for throw in services.in_force(now)]
            self.stdout.write(json.dumps({"everywhere": values, "thrown": thrown}))
        elif options["revert"] is not None:
            self.stdout.write(json.dumps(_describe(_reverted(options))))
        elif options["preset"] or options["revert_preset"]:
            self.stdout.write(json.dumps(_preset(options)))
        else:
            self.stdout.write(json.dumps(_describe(_throw(options))))


@contextmanager
def _refused() -> Iterator[None]:
    """What a service refuses, as a command says it."""
    try:
        yield
    except ValidationError as error:
        raise CommandError(str(error.message_dict)) from error
    except (services.NotInForce, InventoryError) as error:
        raise CommandError(str(error.message)) from error


def _reverted(options: dict[str, Any]) -> SwitchThrow:
    with _refused():
        return services.revert(
            options["revert"], reason=options["reason"], by=None, now=timezone.now()
        )


def _preset(options: dict[str, Any]) -> Any:
    """Thrown or taken back as a whole."""
    if options["name"] or options["campaign"] or options["item"]:
        raise CommandError("a preset is thrown everywhere, with --reason and perhaps --for")
    now, lasts, reason = timezone.now(), options["lasts"], options["reason"]
    if not reason.strip():
        raise CommandError("--reason is required")
    try:
        with _refused():
            if options["revert_preset"]:
                preset = PRESETS[options["revert_preset"]]
                presets.revert_preset(preset, reason=reason, by=None, now=now)
                return {"reverted": preset.name}
            preset = PRESETS[options["preset"]]
            until = None if lasts is None else now + lasts
            done = presets.throw_preset(preset, reason=reason, by=None, now=now, until=until)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if isinstance(done, StockSource):
        return {"source": done.source, "generation": done.generation}
    return [_describe(throw) for throw in done]


def _throw(options: dict[str, Any]) -> SwitchThrow:
    if options["name"] is None or options["value"] is None:
        raise CommandError("NAME and VALUE are required, or --list, or --revert")
    now, lasts = timezone.now(), options["lasts"]
    with _refused():
        return services.throw(
            options["name"],
            _value(options["name"], options["value"]),
            reason=options["reason"],
            by=None,
            now=now,
            campaign=_one(Campaign, slug=options["campaign"]),
            item=_one(Item, pk=options["item"]),
            until=None if lasts is None else now + lasts,
        )


def _value(name: str, text: str) -> Any:
    """As JSON would have it; "off" is a word of some switches and false of the others."""
    if type(SWITCHES[name].default) is bool:
        return WORDS.get(text, text)
    try:
        return float(text)
    except ValueError:
        return text


def _duration(text: str) -> timedelta:
    try:
        return durations.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _one(model: Any, **key: Any) -> Any:
    (value,) = key.values()
    if value is None:
        return None
    found = model.objects.filter(**key).first()
    if found is None:
        raise CommandError(f"there is no {model._meta.model_name} {value}")
    return found


def _describe(throw: SwitchThrow) -> dict[str, Any]:
    return {
        "id": throw.pk,
        "name": throw.name,
        "value": throw.value,
        "campaign": throw.campaign.slug if throw.campaign is not None else None,
        "item": throw.item_id,
        "reason": throw.reason,
        "by": str(throw.by) if throw.by is not None else None,
        "until": throw.until.isoformat() if throw.until is not None else None,
    }
