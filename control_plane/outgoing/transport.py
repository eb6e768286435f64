"""One POST to an address that is checked and pinned, bounded in time and size.

On `http.client` with a socket of ours: the connection goes to the address that was checked, while
SNI, the certificate's name and Host are those of the merchant's URL. No redirect is followed, no
proxy of the environment is asked, no connection is kept.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.outgoing import addresses
from control_plane.outgoing.addresses import BadAddress, Target
from control_plane.outgoing.looking_up import within

CONNECT_S = 3.0
# From the look-up to the last header: a server that sends a byte a second is no better than a
# silent one.
TOTAL_S = 10.0
# A resolver tries another server after 5 s; by then the delivery is better tried again later.
LOOK_UP_S = 3.0
# Its body is for the log only: a delivery does not wait long for it.
BODY_S = 1.0
BODY_BYTES_MAX = 2048
ADDRESSES_TRIED_MAX = 2
assert LOOK_UP_S + CONNECT_S * ADDRESSES_TRIED_MAX < TOTAL_S


@dataclass(frozen=True)
class Answer:
    """What the server said, with the first bytes of its body."""

    status: int
    body: bytes


class NoAnswer(Exception):
    """Nobody knows whether it was heard, unless `code` says that it never left the house."""

    def __init__(self, code: str, message: object) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    private: bool,
    look_up: addresses.Resolve = addresses.resolve,
    tls: ssl.SSLContext | None = None,
    total_s: float | None = None,
) -> Answer:
    """The answer, whatever its status; raises NoAnswer. Blocking, for `total_s` or TOTAL_S.

    `private` allows http and addresses of our own network: for where we decide who is called.
    """
    deadline = time.monotonic() + (TOTAL_S if total_s is None else total_s)
    try:
        target = addresses.parse(url, private=private)
        pinned = within(
            min(LOOK_UP_S, _left(deadline)),
            lambda: addresses.pinned(target, look_up, private=private),
        )
    except BadAddress as error:
        raise NoAnswer(error.code, error) from error
    except (OSError, UnicodeError) as error:
        raise NoAnswer("not_found", error) from error
    try:
        with _connected(target, pinned, deadline, tls) as connection:
            return _exchange(target, _Bounded(connection, deadline), headers, body)
    except TimeoutError as error:
        raise NoAnswer("timeout", "no answer in time") from error
    except ssl.SSLError as error:
        raise NoAnswer("tls", error) from error
    except http.client.HTTPException as error:
        raise NoAnswer("not_http", repr(error)) from error
    except OSError as error:
        raise NoAnswer("connection", error) from error


def _connected(
    target: Target, pinned: list[str], deadline: float, tls: ssl.SSLContext | None
) -> socket.socket:
    """A connection to one of the addresses, which are not looked up again: they are numbers."""
    failure: OSError = ConnectionError("no address was tried")
    for address in pinned[:ADDRESSES_TRIED_MAX]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(min(CONNECT_S, _left(deadline)))
            connection.connect((address, target.port))
            connection.settimeout(_left(deadline))
            if not target.is_https:
                return connection
            context = tls or ssl.create_default_context()
            return context.wrap_socket(connection, server_hostname=target.host)
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _exchange(
    target: Target, bounded: "_Bounded", headers: Mapping[str, str], body: bytes
) -> Answer:
    client = http.client.HTTPConnection(target.host, target.port)
    # With a socket it does not connect by itself.
    client.sock = bounded
    own = {"Host": target.host_header, "Connection": "close"}
    client.request("POST", target.path, body, own | dict(headers))
    response = client.getresponse()
    bounded.deadline = min(bounded.deadline, time.monotonic() + BODY_S)
    try:
        said = response.read(BODY_BYTES_MAX)
    except (OSError, http.client.HTTPException):
        # The status says all that counts.
        said = b""
    return Answer(response.status, said)


class _Bounded(io.RawIOBase):
    """A socket whose every read ends at one deadline, as `http.client` wants to have it."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self.deadline = deadline

    def sendall(self, data: Any) -> None:
        """All of it, before the deadline."""
        self._connection.settimeout(_left(self.deadline))
        self._connection.sendall(data)

    def makefile(self, *_: object) -> io.BufferedReader:
        """What the response reads from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Whatever comes next; raises TimeoutError at the deadline."""
        self._connection.settimeout(_left(self.deadline))
        return self._connection.recv_into(buffer)

    def close(self) -> None:
        """The socket is its owner's to close."""


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
