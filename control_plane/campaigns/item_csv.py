"""A campaign's items as a CSV file: out, and in again for a draft, looked at before it is written.

django-import-export reads and compares; which rows belong to the campaign and what a cell may be is
said here.
"""

import csv
import io
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import tablib
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from import_export import fields, resources, widgets
from import_export.results import RowResult

from control_plane.campaigns.approval import lock_draft, note_edit
from control_plane.campaigns.content import ITEM_FIELDS
from control_plane.campaigns.models import Campaign, Item, StepKind

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BYTES_MAX = 256 * 1024
ROWS_MAX = 500
REQUIRED = ("sku", "title", "units", "price_minor")
# A spreadsheet takes a cell that begins like this for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_GUARD = "'"


class BadFile(Exception):
    """It cannot be read as a list of items; `message` says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Row:
    """What a line of the file would do; `errors` by field, "" for the whole line."""

    number: int
    sku: str
    title: str
    what: str
    errors: list[tuple[str, str]] = field(default_factory=list)
    changes: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Preview:
    """What an import would do, or has done. Nothing is written while a row is wrong."""

    rows: list[Row]

    @property
    def has_errors(self) -> bool:
        """Whether a row is wrong."""
        return any(row.errors for row in self.rows)

    def count(self, what: str) -> int:
        """How many rows are `new`, `update` or `skip`."""
        return sum(row.what == what for row in self.rows)


class WholeNumber(widgets.Widget):
    """Digits, and nothing that would have to be rounded or guessed."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> int:
        """Raises ValueError, which becomes the row's error at this column."""
        text = str(value)
        if not (text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 20):
            raise ValueError(_("A whole number, not “%s”.") % text[:20])
        return int(text)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Without the separators of a language."""
        return str(value)


def _whole(name: str) -> fields.Field:
    return fields.Field(attribute=name, column_name=name, widget=WholeNumber())


class ItemResource(resources.ModelResource):
    """The items of one campaign, known by their SKU."""

    units = _whole("units")
    price_minor = _whole("price_minor")
    limit_per_shopper = _whole("limit_per_shopper")

    class Meta:
        model = Item
        fields = ITEM_FIELDS
        import_id_fields = ("sku",)
        clean_model_instances = True
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    def __init__(self, campaign: Campaign) -> None:
        super().__init__()
        self._campaign = campaign

    def get_queryset(self) -> Any:
        """Never another campaign's items."""
        return Item.objects.filter(campaign=self._campaign)

    def init_instance(self, row: Any = None) -> Item:
        """A new one belongs to this campaign."""
        return Item(campaign=self._campaign)

    def get_diff_headers(self) -> list[str]:
        """The names of the columns."""
        return list(ITEM_FIELDS)


def export_csv(campaign: Campaign) -> bytes:
    """UTF-8 with its mark, so that spreadsheets read Chinese; no cell is a formula there."""
    dataset = ItemResource(campaign).export(campaign.items.order_by("pk"))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(ITEM_FIELDS)
    for row in dataset.dict:
        writer.writerow([_guarded(row[name]) for name in ITEM_FIELDS])
    return text.getvalue().encode("utf-8-sig")


def preview(campaign: Campaign, content: bytes) -> Preview:
    """What `run` would do with the file; writes nothing. Raises BadFile."""
    return _import(campaign, read(content), dry_run=True)


def run(campaign: Campaign, content: bytes, by: "User", now: datetime) -> Preview:
    """Create and update the draft's items; none is deleted. All rows, or none when one is wrong.

    Raises BadFile, NotDraft. What was submitted has to be submitted again.
    """
    dataset = read(content)
    with transaction.atomic():
        campaign = lock_draft(campaign.pk)
        done = _import(campaign, dataset, dry_run=False)
        if not done.has_errors and done.count("skip") < len(done.rows):
            new, update = done.count("new"), done.count("update")
            note_edit(campaign, by, now, StepKind.IMPORTED, new=new, update=update)
    return done


def read(content: bytes) -> tablib.Dataset:
    """The rows, with every column there is. Raises BadFile."""
    if len(content) > BYTES_MAX:
        raise BadFile(_("The file has more than %s kB.") % (BYTES_MAX // 1024))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadFile(_("The file is not UTF-8. Save it as “CSV UTF-8”.")) from None
    if "\0" in text:
        raise BadFile(_("This is no text file."))
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error as error:
        raise BadFile(_("This is no CSV file: %s.") % error) from None
    if len(lines) < 2:
        raise BadFile(_("The file has no rows."))
    header = [name.strip() for name in lines[0]]
    _check_header(header)
    if len(lines) - 1 > ROWS_MAX:
        raise BadFile(_("The file has more than %s rows.") % ROWS_MAX)
    return _dataset(header, lines[1:])


def _check_header(header: list[str]) -> None:
    known = ", ".join(ITEM_FIELDS)
    for name in header:
        if name not in ITEM_FIELDS:
            raise BadFile(
                _("Nobody knows a column “%(name)s”. The columns are: %(known)s.")
                % {"name": name[:40], "known": known}
            )
    if len(set(header)) < len(header):
        raise BadFile(_("A column comes twice in the first line."))
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise BadFile(_("The first line lacks the columns: %s.") % ", ".join(missing))


def _dataset(header: list[str], lines: list[list[str]]) -> tablib.Dataset:
    dataset = tablib.Dataset(headers=header)
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise BadFile(
                _("Row %(number)s has %(cells)s cells, the first line has %(columns)s.")
                % {"number": number, "cells": len(line), "columns": len(header)}
            )
        cells = [_plain(cell) for cell in line]
        sku = cells[header.index("sku")]
        if sku in seen:
            raise BadFile(
                _("Rows %(first)s and %(second)s have the same SKU, %(sku)s.")
                % {"first": seen[sku], "second": number, "sku": sku[:64]}
            )
        seen[sku] = number
        dataset.append(cells)
    return dataset


def _import(campaign: Campaign, dataset: tablib.Dataset, *, dry_run: bool) -> Preview:
    resource = ItemResource(campaign)
    before = {item.sku: item for item in campaign.items.all()}
    with transaction.atomic():
        # Rows with errors are told to the reader instead of raised; the transaction of a wrong
        # file or a preview leaves nothing behind.
        result = resource.import_data(
            dataset, dry_run=False, use_transactions=True, collect_failed_rows=False
        )
        invalid = {row.number: row.error for row in result.invalid_rows}
        rows = [
            _row(number, dataset.dict[number - 1], row, invalid.get(number), before)
            for number, row in enumerate(result.rows, start=1)
        ]
        found = Preview(rows)
        if dry_run or found.has_errors:
            transaction.set_rollback(True)
    return found


def _row(
    number: int,
    cells: dict[str, str],
    row: RowResult,
    invalid: ValidationError | None,
    before: dict[str, Item],
) -> Row:
    errors = [("", str(error.error)) for error in row.errors]
    if invalid is not None:
        errors += [
            (name if name in ITEM_FIELDS else "", message)
            for name, messages in invalid.update_error_dict({}).items()
            for message in ValidationError(messages).messages
        ]
    old = before.get(cells["sku"])
    changes = [] if old is None else _changes(old, cells)
    return Row(
        # As a spreadsheet counts: the first line is the header.
        number + 1,
        cells["sku"],
        cells["title"],
        {RowResult.IMPORT_TYPE_NEW: "new", RowResult.IMPORT_TYPE_UPDATE: "update"}.get(
            row.import_type or "", "skip"
        ),
        errors,
        changes,
    )


def _changes(old: Item, cells: dict[str, str]) -> list[tuple[str, str, str]]:
    return [
        (name, str(getattr(old, name)), cells[name])
        for name in ITEM_FIELDS
        if name in cells and str(getattr(old, name)) != cells[name]
    ]


def _guarded(value: Any) -> str:
    """With an apostrophe before what a spreadsheet would run, and before what looks guarded."""
    text = str(value)
    return _GUARD + text if text.startswith(_FORMULA) or _is_guarded(text) else text


def _plain(cell: str) -> str:
    """What was exported, whatever it begins with; other apostrophes stay."""
    cell = cell.strip(" ")
    return cell[1:] if _is_guarded(cell) else cell


def _is_guarded(text: str) -> bool:
    return text.startswith(_GUARD) and text[1:].startswith((*_FORMULA, _GUARD))
