"""The menu: complete, and nothing in it that its reader may not open."""

import pytest
from django.apps import apps
from django.contrib import admin

from control_plane.config.navigation import GROUPS

PLACED = [label for _title, pages in GROUPS for label, _icon in pages]
# Reached from a campaign; it has no list of its own.
ELSEWHERE = {"pages.CampaignPage"}


def test_every_page_has_its_place_once():
    registered = {model._meta.label for model in admin.site._registry} - ELSEWHERE
    assert sorted(PLACED) == sorted(registered)


@pytest.mark.django_db
def test_a_reader_finds_what_he_may_open_and_nothing_else(log_in):
    page = log_in("view_order").get("/admin/").content.decode()
    assert "/admin/orders/order/" in page
    for label in PLACED:
        opts = apps.get_model(label)._meta
        address = f"/admin/{opts.app_label}/{opts.model_name}/"
        assert (address in page) == (label == "orders.Order"), label


@pytest.mark.django_db(databases=["default", "inventory"])
def test_every_link_of_the_menu_opens(admin_client):
    for label in PLACED:
        opts = apps.get_model(label)._meta
        page = admin_client.get(f"/admin/{opts.app_label}/{opts.model_name}/")
        assert page.status_code == 200, label
