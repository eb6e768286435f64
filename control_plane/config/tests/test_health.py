"""What a supervisor is told."""

import pytest
from django.db import OperationalError, connections

from control_plane.config import health


def test_healthz_needs_no_database(client):
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db(databases=["default", "inventory"])
def test_readyz_asks_both_databases(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["databases"] == {"default": "ok", "inventory": "ok"}


class _Unreachable:
    def cursor(self):
        raise OperationalError("refused")


@pytest.mark.django_db(databases=["default", "inventory"])
@pytest.mark.parametrize("dead", ["default", "inventory"])
def test_readyz_names_the_database_that_does_not_answer(client, monkeypatch, dead):
    alive = {alias: connections[alias] for alias in connections if alias != dead}
    monkeypatch.setattr(health, "connections", {**alive, dead: _Unreachable()})
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["databases"][dead] == "OperationalError"
    assert list(answer.json()["databases"].values()).count("ok") == 1


def test_the_landing_page_leads_to_the_admin(client):
    answer = client.get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_health_is_read_only(client):
    assert client.post("/healthz").status_code == 405
