"""Items out as CSV and in again: looked at first, all rows or none, for drafts only."""

import pytest

from control_plane.campaigns import item_csv, services
from control_plane.campaigns.models import Item, StepKind

pytestmark = pytest.mark.django_db

HEADER = "sku,title,units,price_minor,currency,limit_per_shopper,queue_mode"


def _file(*rows, header=HEADER):
    return "\r\n".join([header, *rows]).encode()


def _items(campaign):
    return list(campaign.items.order_by("pk").values_list("sku", "units", "price_minor"))


def test_an_export_is_an_import(draft):
    draft.items.create(sku="CUP", title="Cup, “large”\nblue", units=5, price_minor=500)
    content = item_csv.export_csv(draft)
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.decode("utf-8-sig").splitlines()[0] == HEADER
    looked = item_csv.preview(draft, content)
    assert [(row.what, row.errors, row.changes) for row in looked.rows] == [("skip", [], [])] * 2


@pytest.mark.parametrize(
    "title", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "＝1", "'=1", "''a", "'twas", "tea"]
)
def test_no_cell_is_a_formula_and_comes_back_as_it_was(draft, maker, now, title):
    Item.objects.filter(campaign=draft).update(title=title)
    content = item_csv.export_csv(draft)
    cell = content.decode("utf-8-sig").splitlines()[1].split(",")[1].strip('"')
    assert cell[0] not in "=+-@\t＝"
    Item.objects.filter(campaign=draft).update(title="other")
    item_csv.run(draft, content, maker, now)
    assert draft.items.get().title == title


def test_a_look_writes_nothing(draft):
    looked = item_csv.preview(draft, _file("TEA,Tea,20,1999,CNY,1,off", "CUP,Cup,5,500,CNY,1,off"))
    assert [(row.number, row.sku, row.what) for row in looked.rows] == [
        (2, "TEA", "update"),
        (3, "CUP", "new"),
    ]
    assert looked.rows[0].changes == [("units", "10", "20")]
    assert _items(draft) == [("TEA", 10, 1999)]
    assert not draft.steps.filter(kind=StepKind.IMPORTED).exists()


def test_it_creates_and_updates_and_deletes_none(draft, maker, now):
    draft.items.create(sku="POT", title="Pot", units=1, price_minor=1)
    services.submit(draft, maker, now)
    done = item_csv.run(
        draft, _file("TEA,Tea,20,1999,CNY,1,off", "CUP,Cup,5,500,EUR,2,draw"), maker, now
    )
    assert (done.count("new"), done.count("update"), done.has_errors) == (1, 1, False)
    assert _items(draft) == [("TEA", 20, 1999), ("POT", 1, 1), ("CUP", 5, 500)]
    step = draft.steps.get(kind=StepKind.IMPORTED)
    assert (step.by, step.details) == (maker, {"new": 1, "update": 1})
    draft.refresh_from_db()
    assert draft.submitted_at is None


def test_what_is_left_out_has_its_default(draft, maker, now):
    item_csv.run(draft, _file("CUP,Cup,5,500", header="sku,title,units,price_minor"), maker, now)
    cup = draft.items.get(sku="CUP")
    assert (cup.currency, cup.limit_per_shopper, cup.queue_mode) == ("CNY", 1, "off")


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ("CUP,Cup,0,500,CNY,1,off", "units", "greater than or equal to 1"),
        ("CUP,Cup,many,500,CNY,1,off", "units", "A whole number, not"),
        ("CUP,Cup,1.5,500,CNY,1,off", "units", "A whole number, not"),
        ("CUP,Cup,5,0,CNY,1,off", "price_minor", "must be 1 at least"),
        ("CUP,Cup,5,-1,CNY,1,off", "price_minor", "must be 1 at least"),
        ("CUP,Cup,5,500,yua,1,off", "currency", "Three capital letters"),
        ("CUP,Cup,5,500,CNY,6,off", "limit_per_shopper", "cannot be promised 6 of 5"),
        ("CUP,Cup,5,500,CNY,1,lottery", "queue_mode", "not a valid choice"),
        (",Cup,5,500,CNY,1,off", "sku", "cannot be blank"),
        ("CUP,,5,500,CNY,1,off", "title", "cannot be blank"),
        ("CUP,Cup,,500,CNY,1,off", "units", "A whole number, not"),
        ("CUP,Cup,99999999999,500,CNY,1,off", "units", "less than or equal to 2147483647"),
    ],
)
def test_a_wrong_row_is_explained_and_nothing_is_written(draft, maker, now, row, field, said):
    done = item_csv.run(draft, _file("TEA,Tea,20,1999,CNY,1,off", row), maker, now)
    assert done.rows[0].errors == []
    ((at, message),) = done.rows[1].errors
    assert (at, said in message) == (field, True), message
    assert _items(draft) == [("TEA", 10, 1999)]
    assert not draft.steps.filter(kind=StepKind.IMPORTED).exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no rows"),
        (HEADER.encode(), "no rows"),
        (_file("a", header="sku"), "lacks the columns: title, units, price_minor"),
        (_file("a,b", header="sku,path_key"), "Nobody knows a column “path_key”"),
        (_file("1,a", header="id,sku"), "Nobody knows a column “id”"),
        (_file("a,b", header="sku,sku"), "comes twice"),
        (_file("TEA,Tea"), "Row 2 has 2 cells, the first line has 7"),
        (_file(*["TEA,Tea,5,1,CNY,1,off"] * 2), "Rows 2 and 3 have the same SKU, TEA"),
        (_file("茶,茶,1,1,CNY,1,off").decode().encode("gbk"), "not UTF-8"),
        (b"\x50\x4b\x03\x04\x00", "no text file"),
        (_file('"TEA'), "no CSV file"),
        (b"x" * (item_csv.BYTES_MAX + 1), "more than 256 kB"),
        (_file(*[f"S{n},T,1,1,CNY,1,off" for n in range(501)]), "more than 500 rows"),
    ],
)
def test_a_file_that_is_no_list_of_items_is_refused(draft, content, said):
    with pytest.raises(item_csv.BadFile) as refused:
        item_csv.preview(draft, content)
    assert said in refused.value.message


def test_another_campaigns_items_are_not_touched(draft, approved, maker, now):
    """`approved` is the same row; a second draft has an item of the same SKU."""
    other = services.create_draft(
        approved.merchant,
        slug="other",
        title="Other",
        starts_at=approved.ends_at,
        ends_at=approved.ends_at.replace(hour=20),
        items=[{"sku": "CUP", "title": "Cup", "units": 5, "price_minor": 500}],
    )
    item_csv.run(other, _file("TEA,Mine,7,7,CNY,1,off"), maker, now)
    assert _items(approved) == [("TEA", 10, 1999)]
    assert _items(other) == [("CUP", 5, 500), ("TEA", 7, 7)]


def test_what_is_approved_takes_no_items(approved, maker, now):
    with pytest.raises(services.NotDraft):
        item_csv.run(approved, _file("CUP,Cup,5,500,CNY,1,off"), maker, now)
    assert _items(approved) == [("TEA", 10, 1999)]
