"""`/board/`: who may see it, who may hang it on a wall, and what a link shows."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from control_plane.board import books, passes, services
from control_plane.board.models import WallLink

pytestmark = pytest.mark.django_db


@pytest.fixture
def login(client, django_user_model):
    """A function that logs somebody in who has these permissions of the board."""

    def make(*codes, is_staff=True):
        user = django_user_model.objects.create_user(f"u{len(codes)}", is_staff=is_staff)
        rights = Permission.objects.filter(content_type__app_label="board", codename__in=codes)
        user.user_permissions.set(rights)
        client.force_login(user)
        return user

    return make


def test_a_stranger_is_asked_to_log_in(client):
    answer = client.get("/board/")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/board/")
    assert client.get("/board/pass.json").status_code == 401


@pytest.mark.parametrize("path", ["/board/", "/board/pass.json", "/board/replay/spring.json"])
def test_it_takes_the_permission(client, login, draft, path):
    login()
    assert client.get(path).status_code == 403


def test_who_is_no_staff_has_no_board(client, login):
    login("view_board", is_staff=False)
    assert client.get("/board/").status_code == 403


def test_the_page_has_no_script_and_no_style_of_its_own(client, login):
    login("view_board")
    answer = client.get("/board/")
    text = answer.content.decode()
    assert answer.status_code == 200
    assert answer["Content-Security-Policy"].startswith("default-src 'self'")
    assert "<style" not in text and "style=" not in text and "onclick" not in text
    assert text.count("<script") == 1 and 'src="/static/board/board.js"' in text
    assert 'data-share="0"' in text


def test_a_wall_link_is_made_shown_and_withdrawn(client, login):
    login("view_board", "share_board")
    made = client.post("/board/walls/", {"place": "Hall 3", "hours": "12"})
    href = json.loads(made.content)["href"]
    client.logout()
    address, _, token = href.partition("#")
    answer = client.get(address)
    assert answer.status_code == 200
    assert 'data-kind="wall"' in answer.content.decode()
    assert "replays" not in answer.content.decode()
    link = WallLink.objects.get()
    assert passes.read(token).name == link.name
    assert books.read(timezone.now()).walls == {link.name}
    assert services.withdraw_wall_link(link, link.by, timezone.now())
    assert not services.withdraw_wall_link(link, link.by, timezone.now())
    assert books.read(timezone.now()).walls == set()


def test_a_link_that_is_over_shows_nothing(client, login):
    login("view_board", "share_board")
    client.post("/board/walls/", {"place": "x", "hours": "1"})
    assert len(books.read(timezone.now()).walls) == 1
    WallLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert books.read(timezone.now()).walls == set()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"place": " ", "hours": "1"}, "place"),
        ({"place": "x", "hours": "0"}, "place"),
        ({"place": "x", "hours": "169"}, "place"),
        ({"place": "x", "hours": "1.5"}, "hours"),
        ({"place": "x", "hours": "-1"}, "hours"),
    ],
)
def test_a_link_that_cannot_be_is_refused(client, login, fields, field):
    login("share_board")
    answer = client.post("/board/walls/", fields)
    assert (answer.status_code, json.loads(answer.content)["field"]) == (400, field)


def test_seeing_is_not_sharing(client, login):
    login("view_board")
    assert client.post("/board/walls/", {"place": "x", "hours": "1"}).status_code == 403
