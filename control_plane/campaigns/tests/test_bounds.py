"""What PostgreSQL itself refuses of an item, whoever writes it."""

import pytest
from django.db import IntegrityError

from control_plane.campaigns.models import LIMIT_PER_SHOPPER_MAX, PRICE_MINOR_MAX, Item

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("field", "most", "constraint"),
    [
        ("price_minor", PRICE_MINOR_MAX, "item_price_bounded"),
        ("limit_per_shopper", LIMIT_PER_SHOPPER_MAX, "item_limit_bounded"),
    ],
)
def test_a_value_beyond_its_bound_is_refused(draft, field, most, constraint):
    Item.objects.update(**{field: most})
    with pytest.raises(IntegrityError, match=constraint):
        Item.objects.update(**{field: most + 1})
