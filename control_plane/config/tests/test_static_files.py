"""The admin's files need no collectstatic."""

import pytest


@pytest.fixture(autouse=True)
def as_delivered(settings):
    settings.WHITENOISE_AUTOREFRESH = False


def test_a_file_is_served_from_its_package(client):
    answer = client.get("/static/sluice/admin.css")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/css")
    assert b".state-live" in answer.content


def test_a_known_file_is_not_sent_again(client):
    first = client.get("/static/admin/css/base.css")
    again = client.get(
        "/static/admin/css/base.css", headers={"if-modified-since": first["Last-Modified"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/static/nothing.css", "/static/../config/settings.py"])
def test_anything_else_is_not_found(client, path):
    assert client.get(path).status_code == 404
