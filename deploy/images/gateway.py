"""`python3 -m deploy.images.gateway`: a gateway in a container.

Renders openresty/conf/ from SLUICE_* into the writable folder as the local stack does, and becomes
nginx. What a container has and a clone has not is decided here: it listens to everybody, knows its
neighbours by name, and logs to its own output.
"""

import ipaddress
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.process import CannotStart
from deploy.local.servers import gateway

EXIT_CANNOT_START = 2
DEFAULTS = {
    "SLUICE_GATEWAY_ADDRESS": "0.0.0.0",
    "SLUICE_GATEWAY_PORT": "8080",
    "SLUICE_GATEWAY_INTERNAL_PORT": "9180",
    "SLUICE_GATEWAY_CONSOLE_PORT": "8081",
    "SLUICE_GATEWAY_WORKERS": "auto",
    "SLUICE_CONSOLE_WAF": "block",
}
# The balancer takes addresses only; both are Services or fixed addresses, so once is enough.
BY_ADDRESS = ("SLUICE_CONTROL_PLANE_URL", "SLUICE_CONTROL_PLANE_GREEN_URL")
TO_OUTPUT = {"access.log": "/dev/stdout", "console.log": "/dev/stdout"}
TO_ERRORS = {"console-error.log": "/dev/stderr", "console-audit.log": "/dev/stderr"}

LookUp = Callable[[str], str]


def ipv4_of(host: str) -> str:
    """The first IPv4 address of a name. Raises CannotStart."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        raise CannotStart(f"gateway did not start: {host}: {error}") from error
    return str(found[0][4][0])


def environment(environ: Mapping[str, str], look_up: LookUp = ipv4_of) -> dict[str, str]:
    """What nginx and the templates are given. Raises CannotStart for what is missing or unknown."""
    known = DEFAULTS | dict(environ)
    if not known.get("SLUICE_VAR_DIR"):
        raise CannotStart("gateway did not start: SLUICE_VAR_DIR is not set")
    gateway.check_workers(known["SLUICE_GATEWAY_WORKERS"])
    for name in BY_ADDRESS:
        if known.get(name):
            known[name] = _with_address(name, known[name], look_up)
    return known


def resolver(resolv_conf: str) -> str:
    """nginx's line for the nameservers of this container; Lua's sockets ask nobody without it.

    It knows no search domains: in Kubernetes names have to be whole, `….svc.cluster.local`.
    """
    servers = re.findall(r"^nameserver\s+(\S+)", resolv_conf, re.MULTILINE)
    told = " ".join(
        f"[{one}]" if ipaddress.ip_address(one).version == 6 else one for one in servers
    )
    # Without a nameserver everything is an address already.
    return f"resolver {told} ipv6=off valid=5s;\nresolver_timeout 2s;\n" if told else ""


def render(home: Path, names: dict[str, str], resolv_conf: str) -> None:
    """Write the configuration, the logs' links and the resolver into `home`."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)  # the snapshot's copy in it holds signing keys
    gateway.render_tree(
        home, {name: value for name, value in names.items() if name[:7] == "SLUICE_"}
    )
    (home / "conf" / "http.d" / "resolver.conf").write_text(resolver(resolv_conf))
    for name, target in (TO_OUTPUT | TO_ERRORS).items():
        log = home / "logs" / name
        log.unlink(missing_ok=True)
        if _may_write(target):
            log.symlink_to(target)
        else:
            print(f"gateway: {target} is not ours to open, {name} stays in {log}", file=sys.stderr)


def _may_write(path: str) -> bool:
    """An engine gives its pipes to the container's user; what somebody else redirects is his."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    except OSError:
        return False
    return True


def _with_address(name: str, value: str, look_up: LookUp) -> str:
    parts = urlsplit(value)
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise CannotStart(f"gateway did not start: {name} must be http://host:port, not {value!r}")
    return f"http://{look_up(parts.hostname)}:{parts.port}"


def main() -> None:
    """Does not return: the process becomes nginx."""
    try:
        names = environment(os.environ)
        home = Path(names["SLUICE_VAR_DIR"])
        render(home, names, Path("/etc/resolv.conf").read_text())
        command = gateway.nginx(home)
    except CannotStart as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_CANNOT_START)
    os.execve(command[0], command, names)


if __name__ == "__main__":
    main()
