"""A browser without a window: cookies, forms, and the headers that Django's CSRF check reads."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.parse import urlencode

TIMEOUT_S = 20
# What Chromium sends, so that no rule sees a program.
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0"
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@dataclass(frozen=True)
class Page:
    """An answer, after redirects."""

    status: int
    url: str
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    @property
    def fields(self) -> dict[str, str]:
        """What the page's widest form would send."""
        forms = _Forms()
        forms.feed(self.text)
        return max(forms.found, key=len)


class Browser:
    """One person at one origin, such as `http://127.0.0.1:18081`."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._jar = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    def cookie(self, name: str) -> str | None:
        """The value of a cookie."""
        return next((one.value for one in self._jar if one.name == name), None)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Page:
        """Open a page."""
        return self._open(path, None, headers or {})

    def post(self, path: str, fields: Mapping[str, str]) -> Page:
        """Send a form that was shown at `path`."""
        sent = {"csrfmiddlewaretoken": self.cookie("csrftoken") or "", **fields}
        headers = {"Origin": self.origin, "Referer": f"{self.origin}{path}"}
        return self._open(path, urlencode(sent).encode(), headers)

    def _open(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> Page:
        own = {"User-Agent": AGENT, "Accept": ACCEPT, "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}
        request = urllib.request.Request(f"{self.origin}{path}", body, own | dict(headers))
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                return Page(answer.status, answer.url, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Page(error.code, error.url, error.headers, error.read())


class _Forms(HTMLParser):
    """Every form of a page: the value of each field as it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = [{}]
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append({})
        elif tag == "select":
            self._select = said.get("name", "")
        elif tag == "option" and "selected" in said:
            self.found[-1][self._select] = said.get("value", "")
        elif tag == "textarea":
            self.found[-1][said.get("name", "")] = ""
        elif tag == "input" and said.get("type") not in ("submit", "checkbox", "radio"):
            self.found[-1][said.get("name", "")] = said.get("value", "")
