"""One request: bounded in time and size, to the address that was checked, with a real server."""

import socket
import threading

import pytest

from control_plane.outgoing import addresses, looking_up, transport
from control_plane.outgoing.tests.merchant import HELD_S, certificate, serving
from tests.redis.waiting import until

BODY = b'{"id":"evt_1"}'


@pytest.fixture
def shop():
    with serving() as merchant:
        yield merchant


@pytest.fixture
def impatient(monkeypatch):
    """The same limits, a twentieth as long."""
    monkeypatch.setattr(transport, "TOTAL_S", 0.5)
    monkeypatch.setattr(transport, "BODY_S", 0.2)


def post(url, **options):
    return transport.post(url, {"webhook-id": "evt_1"}, BODY, **{"private": True} | options)


def refused(url, **options):
    with pytest.raises(transport.NoAnswer) as no:
        post(url, **options)
    return no.value.code


@pytest.fixture
def hanging():
    """A resolver that answers when it is let go, with an address where nobody may be called."""
    gone = threading.Event()
    asked = []

    def look_up(host, port):
        asked.append(host)
        gone.wait(HELD_S)
        return ["10.0.0.1"]

    yield asked, look_up
    gone.set()
    until(lambda: looking_up._free._value == looking_up.HANGING_MAX, "no look-up hangs")


def test_a_resolver_that_hangs_holds_nothing_up(shop, hanging, monkeypatch):
    monkeypatch.setattr(transport, "LOOK_UP_S", 0.1)
    asked, look_up = hanging
    with pytest.raises(transport.NoAnswer, match=r"looked up for 0\.1 s") as no:
        post("https://shop.example/", private=False, look_up=look_up)
    assert no.value.code == "not_found", "it never left the house"
    assert asked == ["shop.example"]
    # Others have resolvers that answer.
    assert post(shop.url()).status == 200


def test_a_look_up_has_no_longer_than_the_request(hanging):
    _, look_up = hanging
    with pytest.raises(transport.NoAnswer, match=r"looked up for 0\.0 s"):
        post("https://shop.example/", private=False, look_up=look_up, total_s=0.04)


def test_of_look_ups_that_hang_there_are_only_so_many(hanging, monkeypatch):
    monkeypatch.setattr(transport, "LOOK_UP_S", 0.01)
    monkeypatch.setattr(looking_up, "_free", threading.BoundedSemaphore(3))
    monkeypatch.setattr(looking_up, "HANGING_MAX", 3)
    asked, look_up = hanging
    for _ in range(5):
        assert refused("https://shop.example/", private=False, look_up=look_up) == "not_found"
    assert len(asked) == 3


def test_the_merchant_hears_what_was_sent(shop):
    answer = post(shop.url())
    assert (answer.status, answer.body) == (200, b"ok")
    (heard,) = shop.heard
    assert (heard.path, heard.body) == ("/hooks?shop=1", BODY)
    assert heard.headers["host"] == f"127.0.0.1:{shop.port}"
    assert heard.headers["webhook-id"] == "evt_1"


def test_a_redirect_is_an_answer_and_not_followed(shop):
    shop.answer = lambda _: (302, {"Location": shop.url("127.0.0.2")}, b"there")
    assert post(shop.url()).status == 302
    assert len(shop.heard) == 1


def test_a_server_that_does_not_answer_is_left(shop, impatient):
    shop.answer = shop.hold
    assert refused(shop.url()) == "timeout"


def test_a_server_that_sends_a_byte_at_a_time_is_left_at_the_same_moment(shop, impatient):
    """Each read by itself would be in time."""
    gone = threading.Event()
    # Written by hand, since the server of the other tests sends a whole answer.
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        client, _ = listening.accept()
        with client:
            client.recv(65536)
            # Some seconds; then it is over, so that a client without a limit says so.
            for _ in range(200):
                if gone.wait(0.02):
                    break
                try:
                    client.sendall(b"x")
                except OSError:
                    break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert refused(f"http://127.0.0.1:{listening.getsockname()[1]}/") == "timeout"
    gone.set()
    thread.join(HELD_S)
    listening.close()


def test_only_the_first_bytes_of_an_answer_are_read(shop):
    shop.answer = lambda _: (500, {}, b"x" * 1_000_000)
    answer = post(shop.url())
    assert (answer.status, len(answer.body)) == (500, transport.BODY_BYTES_MAX)


def test_a_body_that_never_comes_does_not_undo_the_status(shop, impatient):
    shop.answer = lambda _: b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"
    assert post(shop.url()).status == 204
    shop.answer = lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf"
    assert post(shop.url()).status == 200


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"]
)
def test_what_is_not_http_is_no_answer(shop, said):
    shop.answer = lambda _: said
    assert refused(shop.url()) in ("not_http", "connection")


def test_nobody_there(shop):
    port = shop.port
    shop.server.server_close()
    assert refused(f"http://127.0.0.1:{port}/") == "connection"


def test_a_name_that_nobody_knows():
    def unknown(host, port):
        raise OSError("Name or service not known")

    assert refused("https://shop.example/", private=False, look_up=unknown) == "not_found"


def test_a_name_that_leads_inside_is_not_called(shop):
    inside = f"https://shop.example:{shop.port}/"
    assert refused(inside, private=False) == "bad_port"
    strict = {"private": False, "look_up": lambda host, port: ["127.0.0.1"]}
    assert refused("https://shop.example/", **strict) == "private_address"
    assert refused("http://shop.example/", **strict) == "not_https"
    assert shop.heard == []


def test_a_second_look_up_cannot_change_where_it_goes(shop, monkeypatch):
    """A resolver that says something good first and something of ours afterwards."""
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    def check(address, *, private):
        if address == "127.0.0.2":
            raise addresses.BadAddress("private_address", "inside")

    monkeypatch.setattr(addresses, "check", check)
    with monkeypatch.context() as patched:
        # Whatever resolves a name behind our back is seen.
        patched.setattr("socket.getaddrinfo", lambda *a, **k: pytest.fail("looked up again"))
        assert post(f"http://shop.example:{shop.port}/", look_up=rebinding).status == 200
    assert asked == ["shop.example"]
    assert shop.heard[0].headers["host"] == f"shop.example:{shop.port}"
    assert refused(f"http://shop.example:{shop.port}/", look_up=rebinding) == "private_address"
    assert len(shop.heard) == 1


def test_the_certificate_has_to_be_the_names(tmp_path):
    theirs, ours = certificate(tmp_path, "shop.example")
    names = {"look_up": lambda host, port: ["127.0.0.1"], "tls": ours}
    with serving(tls=theirs) as shop:
        # By name, though the connection goes to a number.
        assert post(f"https://shop.example:{shop.port}/", **names).status == 200
        assert refused(f"https://other.example:{shop.port}/", **names) == "tls"
        untrusted = {"look_up": lambda host, port: ["127.0.0.1"]}
        assert refused(f"https://shop.example:{shop.port}/", **untrusted) == "tls"
        assert len(shop.heard) == 1


def test_a_server_that_begins_no_tls_is_left(shop, impatient):
    assert refused(f"https://127.0.0.1:{shop.port}/") in ("timeout", "tls")
