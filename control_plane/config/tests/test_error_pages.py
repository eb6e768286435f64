"""What people read when a page cannot be shown, in their language; programs get a problem."""

import pytest
from django.test import RequestFactory
from django.utils import translation

from control_plane.api import errors

pytestmark = pytest.mark.django_db
CHINESE = {"accept-language": "zh-hans"}
BOARD = "/board/"


@pytest.mark.parametrize(
    ("language", "words"), [("en", "There is no such page"), ("zh-hans", "没有这个页面")]
)
def test_an_address_that_is_none(client, language, words):
    answer = client.get("/nowhere/", headers={"accept-language": language})
    assert answer.status_code == 404
    page = answer.content.decode()
    assert words in page
    assert f'lang="{language}"' in page.lower()


@pytest.mark.parametrize(("headers", "words"), [({}, "You may not do this"), (CHINESE, "您无权")])
@pytest.mark.parametrize("path", [BOARD, "/admin/orders/order/", "/admin/switches/console/"])
def test_what_somebody_may_not_see(log_in, path, headers, words):
    answer = log_in("view_draw").get(path, headers=headers)
    assert answer.status_code == 403
    assert words in answer.content.decode()


def test_refusals_of_the_board(client, log_in):
    assert client.get("/board/pass.json", headers=CHINESE).json()["title"] == "没有人登录。"
    ann = log_in("view_board", "share_board")
    for fields, words in (
        ({"place": "x", "hours": "1.5"}, "请填写整数小时。"),
        ({"place": " ", "hours": "1"}, "悬挂地点"),
        ({"place": "x", "hours": "999"}, "7 天"),
    ):
        answer = ann.post("/board/walls/", fields, headers=CHINESE)
        assert (answer.status_code, words in answer.json()["title"]) == (400, True), fields


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Something went wrong"), ("zh-hans", "出错了")]
)
def test_a_fault_of_ours(language, words):
    with translation.override(language):
        answer = errors.server_error(RequestFactory().get("/admin/"))
        asked = errors.bad_request(RequestFactory().get("/admin/"), ValueError())
    assert (answer.status_code, asked.status_code) == (500, 400)
    assert words in answer.content.decode()
    assert "<h1>" in asked.content.decode()
