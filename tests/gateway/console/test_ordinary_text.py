"""Words of a shop are no attack: in forms, in JSON, in a search; in Chinese above all."""

import json
from urllib.parse import urlencode

import pytest

from tests.gateway.console.attacks import FORM, JSON, LIST
from tests.gateway.console.conftest import Console

# The 6,763 characters of GB 2312, which is what a Chinese text is made of.
HANZI = [
    bytes((row, cell)).decode("gb2312")
    for row in range(0xB0, 0xF8)
    for cell in range(0xA1, 0xFF)
    if (row, cell) < (0xD7, 0xFA) or row > 0xD7
]
MARKS = "，。！？：；“”‘’（）《》【】、…—￥％＆＃＜＞"
CHUNK = 400
CHUNKS = ["".join(HANZI[at : at + CHUNK]) + MARKS for at in range(0, len(HANZI), CHUNK)]

# Each is refused without its exclusion in modsecurity/after_rules.conf.
PROSE = (
    "Cat toy; time to sleep; find more, set the table",
    "cat /etc/hosts; ls -la; echo (a poster)",
    "../photos/lamp.jpg",
    "Python plush; ping me; curl -I iron",
    "exec summary; having fun; group by age 3",
    "union jack mug; select edition",
    "The 'select' range from IKEA",
    "$(whoami) t-shirt, /bin/bash hoodie",
    "system (audio) & eval",
    "line 1\r\nSet the table",
)
BUTTONS = (
    "保存",
    "保存并继续编辑",
    "保存并增加另一个",
    "Save and continue editing",
    "是的，我确定",
)


def forms(field: str, text: str) -> bytes:
    """A form with one field of this name, beside others."""
    return urlencode({"csrfmiddlewaretoken": "x" * 64, field: text, "_save": "保存"}).encode()


@pytest.mark.parametrize("chunk", range(len(CHUNKS)))
def test_every_common_chinese_character_passes_everywhere(console: Console, chunk: int) -> None:
    text = CHUNKS[chunk]
    body = json.dumps({"title": text, "items": [{"sku": text[:20]}]}, ensure_ascii=False).encode()
    for field in ("title", "slug", "_continue", "items-0-title"):
        assert console.ask("POST", f"{LIST}add/", FORM, forms(field, text)).status == 200
    assert console.ask("POST", "/api/v1/campaigns/", JSON, body).status == 200
    assert console.get(f"{LIST}?{urlencode({'q': text[:200]})}").status == 200


@pytest.mark.parametrize("text", PROSE)
@pytest.mark.parametrize(
    "field", ["title", "items-0-title", "reason", "change_reason", "name", "value"]
)
def test_prose_passes_where_prose_belongs(console: Console, text: str, field: str) -> None:
    assert console.ask("POST", f"{LIST}add/", FORM, forms(field, text)).status == 200
    body = json.dumps({"items": [{field.rpartition("-")[2]: text}]}).encode()
    assert console.ask("POST", "/api/v1/campaigns/", JSON, body).status == 200


@pytest.mark.parametrize("text", PROSE)
def test_the_control_the_same_words_are_refused_elsewhere(console: Console, text: str) -> None:
    assert console.ask("POST", f"{LIST}add/", FORM, forms("slug", text)).status == 403
    assert console.blue.seen == []


@pytest.mark.parametrize("button", BUTTONS)
def test_a_button_may_be_pressed(console: Console, button: str) -> None:
    body = urlencode({"_save": button, "_continue": button, "post": "yes"}).encode()
    assert console.ask("POST", f"{LIST}add/", FORM, body).status == 200


def test_a_long_text_passes(console: Console) -> None:
    text = "“限时”秒杀：Tom's best offer, 50% off & more (see page 3). " * 2000
    assert console.ask("POST", f"{LIST}add/", FORM, forms("description", text)).status == 200


@pytest.mark.parametrize("name", ["messages", "csrftoken", "sessionid"])
def test_a_cookie_of_django_is_its_own_business(console: Console, name: str) -> None:
    value = '".eJyLjg%3Cscript%3E__json_message<a href=/admin/>\' OR 1=1 --:1vN:x"'
    assert console.get("/admin/", {"Cookie": f"{name}={value}"}).status == 200
    assert console.get("/admin/", {"Cookie": f"other={value}"}).status == 403


@pytest.mark.parametrize(
    "field",
    ["password", "password1", "password2", "old_password", "new_password1", "new_password2"],
)
def test_a_password_may_be_anything(console: Console, field: str) -> None:
    text = "' OR 1=1; <script>alert(1)</script> $(cat /etc/passwd) --"
    assert console.ask("POST", "/admin/login/", FORM, forms(field, text)).status == 200
