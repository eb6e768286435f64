"""`python -m deploy.images.trying`: run images in place of processes of profile `test`, and sell.

Every variable is given as a file of /run/secrets, so that the entry point is tried, too. There is
no engine: `buildah run` with chroot isolation has the host's network and no read-only root.
"""

import argparse
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence

from deploy.local import environment
from deploy.local.process import CannotStart, Process, Unhealthy
from deploy.local.processes import processes
from deploy.local.servers import control_plane
from deploy.local.site import ROOT, Site

USER = 10001
TAG = os.environ.get("TAG", "dev")
# The purchase path, end to end, and who serves the board; all three families.
FAMILIES = {
    "control-plane": "python",
    "stock-agent": "python",
    "relay": "python",
    "order-consumer": "python",
    "inventory-consumer": "python",
    "gateway": "gateway",
    "edge": "edge",
}
START = "/srv/sluice/deploy/images/start.sh"
BOARD = {"board.js": "text/javascript", "board.css": "text/css"}
DEADLINE_S = 120
POLL_S = 0.2


def command(site: Site, name: str) -> list[str]:
    """The image's own command, on the ports of this profile."""
    if name == "gateway":
        return ["python3", "-m", "deploy.images.gateway"]
    if name == "edge":
        address = f"http=127.0.0.1:{site.port('edge')}"
        places = ["--socket-addr", address, "--directory-path", "published=/srv/published"]
        return ["workerd", "serve", "workerd.capnp", *places]
    if name == "control-plane":
        return ["python", "-m", *control_plane.web(site)]
    return ["python", "-m", f"workers.{name.replace('-', '_')}"]


def variables(site: Site, name: str) -> dict[str, str]:
    """As the local stack has them; what is a path of this machine is the image's own."""
    told = environment.of(site, name)
    for path in ("SLUICE_VAR_DIR", "SLUICE_PUBLISH_DIR"):
        told.pop(path, None)
    if name == "gateway":
        told |= {
            "SLUICE_GATEWAY_ADDRESS": "127.0.0.1",
            "SLUICE_GATEWAY_PORT": str(site.port("gateway")),
            "SLUICE_GATEWAY_INTERNAL_PORT": str(site.port("gateway-internal")),
            "SLUICE_GATEWAY_CONSOLE_PORT": str(site.port("gateway-console")),
        }
    return told


def start(site: Site, name: str) -> tuple[str, subprocess.Popen[bytes]]:
    """A container of the image, running the process; its log is beside the stack's."""
    container = _buildah("from", f"localhost/sluice-{FAMILIES[name]}:{TAG}")
    secrets = site.folder("images", name)
    secrets.chmod(0o700)
    for old in secrets.iterdir():
        old.unlink()
    for variable, value in variables(site, name).items():
        (secrets / variable).write_text(value)
        (secrets / variable).chmod(0o400)
        os.chown(secrets / variable, USER, USER)
    os.chown(secrets, USER, USER)
    log = (site.folder("logs") / f"image-{name}.log").open("wb")
    os.chown(log.fileno(), USER, USER)  # as an engine does with its pipes
    options = [
        "--isolation",
        "chroot",
        "--user",
        f"{USER}:{USER}",
        "--volume",
        f"{secrets}:/run/secrets:ro",
    ]
    running = subprocess.Popen(
        ["buildah", "run", *options, container, "--", START, *command(site, name)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    return container, running


def wait(site: Site, process: Process, running: subprocess.Popen[bytes]) -> float:
    """Seconds until it is healthy, by the stack's own check. Raises CannotStart."""
    began = time.monotonic()
    while True:
        try:
            process.healthy(site)
        except Unhealthy as error:
            if running.poll() is not None:
                raise CannotStart(f"{process.name} ended with {running.returncode}") from error
            if time.monotonic() - began > DEADLINE_S:
                raise CannotStart(f"{process.name}: {error}") from error
            time.sleep(POLL_S)
        else:
            return time.monotonic() - began


def main() -> int:
    """Start, check, sell, end; the exit code is the sale's."""
    parser = argparse.ArgumentParser(prog="python -m deploy.images.trying", description=__doc__)
    parser.add_argument("--names", action="store_true", help="print which processes are replaced")
    parser.add_argument("--shoppers", type=int, default=500)
    parser.add_argument("--units", type=int, default=100)
    chosen = parser.parse_args()
    if chosen.names:
        print(",".join(FAMILIES))
        return 0
    site = Site("test")
    known = {process.name: process for process in processes(site)}
    started: list[tuple[str, subprocess.Popen[bytes]]] = []
    try:
        for name, family in FAMILIES.items():
            started.append(start(site, name))
            seconds = wait(site, known[name], started[-1][1])
            print(f"  {name:<20} sluice-{family}:{TAG}, healthy after {seconds:.1f} s")
        _look_at_the_board(site)
        return _sell(chosen.shoppers, chosen.units)
    except CannotStart as error:
        print(f"images: {error}; see {site.state}/logs/image-*.log", file=sys.stderr)
        return 1
    finally:
        _end(started)


def _look_at_the_board(site: Site) -> None:
    """Its script is in the image and is served as a script. Raises CannotStart."""
    for file, kind in BOARD.items():
        url = f"http://{site.address('control-plane')}/static/board/{file}"
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
                told, text = answer.headers.get_content_type(), answer.read()
        except OSError as error:
            raise CannotStart(f"GET {url}: {error}") from error
        if told != kind or not text:
            raise CannotStart(f"GET {url}: {len(text)} bytes of {told}, {kind} is meant")
    print(f"  {'board':<20} served from the image: {', '.join(BOARD)}")


def _sell(shoppers: int, units: int) -> int:
    stack: Sequence[str] = [sys.executable, "-m", "deploy.local", "run", "--profile", "test", "--"]
    sale = [
        sys.executable,
        "-m",
        "tests.load.demo",
        "--shoppers",
        str(shoppers),
        "--units",
        str(units),
    ]
    return subprocess.run([*stack, *sale], check=False, cwd=ROOT).returncode


def _end(started: list[tuple[str, subprocess.Popen[bytes]]]) -> None:
    for container, running in reversed(started):
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
        _buildah("rm", container)


def _buildah(*words: str) -> str:
    done = subprocess.run(["buildah", *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
