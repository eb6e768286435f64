"""The pages show and change nothing."""

import pytest

from control_plane.inventory import services

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant(open_epoch):
    return services.begin_grant(open_epoch().pk, 4)


def test_the_pool_shows_its_equation(admin_client, grant, item):
    page = admin_client.get(f"/admin/inventory/pool/{item.pk}/change/").content.decode()
    assert "total 10 = unallocated 6 + in shards 4 + live orders 0 + drift 0" in page


def test_the_list_of_pools_asks_once_for_all_of_them(
    admin_client, grant, django_assert_max_num_queries, cell
):
    with django_assert_max_num_queries(6):
        page = admin_client.get("/admin/inventory/pool/").content.decode()
    assert cell(page, "drift") == "0"


def test_the_allocation_shows_its_grants(admin_client, grant):
    url = f"/admin/inventory/allocation/{grant.allocation_id}/change/"
    assert str(grant.pk) in admin_client.get(url).content.decode()


@pytest.mark.parametrize("model", ["pool", "allocation", "grant"])
def test_nobody_can_write(admin_client, grant, item, model):
    pk = {"pool": item.pk, "allocation": grant.allocation_id, "grant": grant.pk}[model]
    base = f"/admin/inventory/{model}/"
    assert admin_client.get(base).status_code == 200
    assert admin_client.get(f"{base}{pk}/change/").status_code == 200
    assert admin_client.get(f"{base}add/").status_code == 403
    assert admin_client.post(f"{base}{pk}/change/", {}).status_code == 403
    assert admin_client.post(f"{base}{pk}/delete/", {"post": "yes"}).status_code == 403
