"""What passes the console both ways, what a refusal looks like, and what is written down."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.process import CannotStart
from deploy.local.servers import firewall, gateway
from tests.gateway.client import Answer, get, request_text, speak
from tests.gateway.console.conftest import Console
from tests.gateway.gateway import Gateway
from tests.gateway.refusals import assert_refused
from tests.redis.waiting import until

ATTACK = "/admin/?q=<script>alert(1)</script>"
SECURITY = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def audit(console: Console) -> list[dict[str, object]]:
    """The lines of the audit log."""
    log = console.gateway.folder / "logs/console-audit.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line)["transaction"] for line in lines]


def line_of(console: Console, reference: str) -> dict[str, object]:
    """The audit log's line of one refusal."""
    found = until(
        lambda: [line for line in audit(console) if line["unique_id"] == reference], "it is logged"
    )
    (line,) = found
    return dict(line)


def test_the_control_plane_hears_the_visitor_s_address_and_host_from_us_alone(
    console: Console,
) -> None:
    said = {
        "Host": "admin.shop.example:8443",
        "X-Forwarded-For": "9.9.9.9",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "1",
        "X-Real-IP": "9.9.9.9",
        "Forwarded": "for=9.9.9.9",
    }
    console.ask("GET", "/admin/", said, address="127.0.7.7")
    (seen,) = console.blue.seen
    assert seen.headers["host"] == "admin.shop.example:8443"
    assert seen.headers["x-forwarded-for"] == "127.0.7.7"
    assert seen.headers["x-forwarded-proto"] == "http"
    assert "9.9.9.9" not in json.dumps(seen.headers)
    assert not {"x-forwarded-host", "x-forwarded-port", "x-real-ip", "forwarded"} & set(
        seen.headers
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_request_arrives_as_it_was_sent(console: Console, method: str) -> None:
    body = b'{"title": "\xe5\x8f\x8c"}' if method in ("POST", "PUT", "PATCH") else None
    headers = {"Content-Type": "application/json"} if body else {}
    path = "/api/v1/campaigns/double-11/?page=2"
    assert console.ask(method, path, headers, body).status == 200
    (seen,) = console.blue.seen
    assert (seen.method, seen.path, seen.body) == (method, path, body or b"")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 500, 503])
def test_what_the_control_plane_refuses_is_passed_on_as_it_is(
    console: Console, status: int
) -> None:
    console.blue.status = status
    console.blue.headers = {"X-Frame-Options": "SAMEORIGIN", "Retry-After": "7"}
    answer = console.ask("POST", "/api/v1/campaigns/", {}, b"")
    assert answer.status == status
    assert answer.json == {"version": "blue"}
    assert answer.headers["retry-after"] == "7"
    assert_secure(answer)


def test_a_download_is_passed_on_whole(console: Console) -> None:
    said = {"Content-Disposition": 'attachment; filename="draw.csv"', "Content-Type": "text/csv"}
    console.blue.headers = said
    answer = console.get("/admin/queues/draw/7/record.csv")
    assert answer.status == 200
    assert said.items() <= {name.title(): value for name, value in answer.headers.items()}.items()


def test_a_refusal_of_an_api_is_a_problem(console: Console) -> None:
    answer = console.get("/api/v1/campaigns/?q=<script>alert(1)</script>")
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert set(problem) == {"type", "title", "status", "code", "reference"}
    assert problem["status"] == answer.status == 403
    assert problem["type"] == "urn:sluice:problem:refused"
    assert answer.headers["cache-control"] == "no-store"
    assert_secure(answer)


def test_a_refusal_of_a_page_is_in_both_languages_and_quotes_nothing(console: Console) -> None:
    answer = console.get(ATTACK)
    text = answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "The firewall refused this request." in text
    assert "防火墙拒绝了该请求。" in text
    assert "alert" not in text
    assert_secure(answer)


def test_what_cannot_be_read_is_refused_in_the_same_words(console: Console) -> None:
    port = console.gateway.console_port
    assert port
    for sent in (
        b"NONSENSE\r\n\r\n",
        b"GET /admin/ HTTP/1.1\r\n\r\n",
        request_text("GET", "/admin/", ["Content-Length: 3", "Transfer-Encoding: chunked"]),
        request_text("GET", "/admin/", ["Content-Length: x"]),
    ):
        (answer,) = speak(port, sent)
        assert answer.status == 400
        assert "无法读取该请求。" in answer.body.decode()
    assert console.blue.seen == []


def test_the_audit_log_has_the_rule_and_no_secret(console: Console) -> None:
    headers = {
        "Cookie": "sessionid=hidden-1; csrftoken=hidden-2",
        "Authorization": "Basic aGlkZGVuLTM=",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = b"password=hidden-4'+OR+1=1--&other=hidden-5&slug=<script>alert(1)</script>"
    answer = console.ask("POST", "/admin/x/", headers, body)
    reference = answer.body.decode().partition("<code>")[2].partition("</code>")[0]
    line = line_of(console, reference)
    text = json.dumps(line)
    assert "941110" in text
    for secret in ("hidden", "aGlkZGVu"):
        assert secret not in text
    assert set(line["request"]) == {"method", "http_version", "uri"}  # type: ignore[call-overload]


def test_ordinary_work_is_not_in_the_audit_log(console: Console) -> None:
    before = len(audit(console))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    console.ask("POST", "/admin/login/", form, b"username=ann&password='+OR+1=1--+<script>")
    console.get("/admin/?q=select+your+gift")
    console.get(ATTACK)
    until(lambda: len(audit(console)) == before + 1, "the attack alone is logged")
    assert len(console.blue.seen) == 2


def test_refusals_are_apart_from_the_gateway_s_own_errors(console: Console) -> None:
    console.get(ATTACK)
    own = console.gateway.folder / "logs/console-error.log"
    until(lambda: "Access denied" in own.read_text(), "it is in the console's error log")
    assert "Access denied" not in console.gateway.errors()


def test_an_address_that_asks_too_often_is_told_to_wait(console: Console) -> None:
    _at_the_start_of_a_second()
    answers = [console.ask("GET", "/api/v1/", address="127.8.8.8") for _ in range(60)]
    late = [answer for answer in answers if answer.status == 429]
    assert late
    assert len(answers) - len(late) >= 50
    assert late[0].json["code"] == "too_many"
    assert late[0].headers["retry-after"] == "1"
    assert console.get("/api/v1/").status == 200
    until(lambda: console.ask("GET", "/api/v1/", address="127.8.8.8").status == 200, "he is let in")


def test_a_payment_provider_calls_back_faster_than_people_click(console: Console) -> None:
    said = {"Content-Type": "application/json", "Sluice-Signature": "t=1795348800,v1=" + "a" * 64}
    body = b'{"event_id":"e-1","type":"payment.succeeded","amount_minor":1999,"currency":"CNY"}'
    _at_the_start_of_a_second()
    answers = [
        console.ask("POST", "/payments/callbacks/demo", said, body, address="127.8.9.9")
        for _ in range(80)
    ]
    assert {answer.status for answer in answers} == {200}
    seen = console.blue.seen[-1]
    assert (seen.path, seen.body) == ("/payments/callbacks/demo", body)
    assert seen.headers["sluice-signature"] == said["Sluice-Signature"]
    assert console.ask("GET", "/payments/").status == 404
    assert console.ask("POST", "/payments/callbacks/demo", said, b"x" * 20_000).status == 413


def _at_the_start_of_a_second() -> None:
    until(lambda: time.time() % 1 < 0.2, "a second begins")


def test_the_sale_has_no_firewall_and_takes_one_exact_shape(console: Console) -> None:
    item = console.shop.put_up(units=1)
    before = len(audit(console))
    port = console.gateway.port
    script = "<script>alert(1)</script>"
    # The refusal is the step's own; the firewall would have said 403.
    refused = item.send(headers={"User-Agent": "sqlmap/1.7"}, body=b'{"qty":"1 OR 1=1"}').answer()
    assert_refused(refused, "bad_request")
    assert get(port, f"/v1/campaigns/none?q={script}").status == 404
    bought = item.buy("ann", headers={"User-Agent": "sqlmap/1.7", "Referer": script})
    assert bought.outcome == "reserved"
    assert console.get(ATTACK).status == 403
    until(lambda: len(audit(console)) == before + 1, "the console's refusal alone is logged")
    conf = console.gateway.folder / "conf"
    assert "modsecurity" not in (conf / "sites/sale.conf").read_text()
    assert "modsecurity" not in (conf / "sites/internal.conf").read_text()


def test_pages_of_the_console_are_not_on_the_sale_s_port(console: Console) -> None:
    for path in ("/admin/", "/api/v1/campaigns/", "/static/admin/css/base.css", "/i18n/setlang/"):
        assert get(console.gateway.port, path).status == 404


@pytest.fixture
def without_module(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Console]:
    """A console of an nginx that has no such module."""
    monkeypatch.setattr(firewall, "module", lambda told: None)
    own = {**console.gateway.settings, "SLUICE_VAR_DIR": str(tmp_path)}
    bare = Gateway(tmp_path, own, has_console=True)
    bare.start()
    console.shop.gateway, usual = bare, console.shop.gateway
    yield Console(console.shop)
    console.shop.gateway = usual
    bare.stop()


def test_without_the_module_the_console_works_and_says_so(without_module: Console) -> None:
    folder = without_module.gateway.folder
    assert without_module.get(ATTACK).status == 200
    assert without_module.get("/internal/snapshot").status == 404
    assert firewall.MISSING in (folder / "conf/sites/console.conf").read_text()
    assert not (folder / "conf/modsecurity").exists()


def test_a_gateway_without_a_console_reads_no_rules(tmp_path: Path) -> None:
    gateway.render_tree(tmp_path, {
        "SLUICE_GATEWAY_PORT": "1",
        "SLUICE_GATEWAY_INTERNAL_PORT": "2",
        "SLUICE_GATEWAY_WORKERS": "1",
    })  # fmt: skip
    assert not (tmp_path / "conf/sites/console.conf").exists()
    assert not (tmp_path / "conf/modsecurity").exists()


def test_a_wrong_word_for_the_firewall_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="SLUICE_CONSOLE_WAF is 'maybe'"):
        firewall.rule_names(tmp_path, tmp_path, "maybe")


def test_lua_is_loaded_before_the_firewall() -> None:
    lines = gateway.load_modules(gateway.binary()).splitlines()
    at = [next((n for n, line in enumerate(lines) if word in line), None)
          for word in ("ndk_http", "http_lua", "modsecurity")]  # fmt: skip
    assert at == sorted(at)  # type: ignore[type-var]


def assert_secure(answer: Answer) -> None:
    """The headers that a browser is to see on every answer of the console."""
    for name, value in SECURITY.items():
        assert answer.headers[name] == value
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src 'self' 'unsafe-inline'" not in policy


def test_only_the_admin_s_pages_may_read_expressions(console: Console) -> None:
    policy = console.get("/admin/").headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-eval';" in policy
    assert "style-src 'self' 'unsafe-inline';" in policy
    for path in ("/api/v1/campaigns/", "/board/", "/healthz", "/nothing/"):
        assert "unsafe" not in console.get(path).headers["content-security-policy"], path
