"""The edge worker, run by workerd: the same bundle that is deployed to Cloudflare."""

import subprocess
from pathlib import Path

from deploy.local import sources
from deploy.local.checks import http_answers
from deploy.local.process import CannotStart, Process
from deploy.local.site import ROOT, Site

HOME = ROOT / "edge-workers"
BUNDLE = HOME / "dist" / "worker.js"


def workerd() -> Path:
    """The native binary that npm put beside its wrapper, so that no Node runs in between."""
    found = sorted(HOME.glob("node_modules/@cloudflare/workerd-*/bin/workerd"))
    if not found:
        raise CannotStart("workerd is missing in edge-workers/node_modules: run `make setup`")
    return found[0]


def prepare(site: Site) -> None:
    """workerd refuses to start without the folder of published pages; it may be empty."""
    site.published.mkdir(parents=True, exist_ok=True)
    build()


def build() -> None:
    """Build edge and board when a source is younger; the control plane serves the board."""
    if BUNDLE.exists() and BUNDLE.stat().st_mtime_ns > sources.newest_ns((HOME,)):
        return
    built = subprocess.run(
        ["npm", "run", "--silent", "build"], check=False, cwd=HOME, capture_output=True, text=True
    )
    if built.returncode != 0:
        raise CannotStart(f"npm run build in edge-workers:\n{built.stderr.strip()}")


def command(site: Site) -> list[str]:
    """workerd in the foreground."""
    address = f"http=127.0.0.1:{site.port('edge')}"
    published = f"published={site.published}"
    places = ["--socket-addr", address, "--directory-path", published]
    return [str(workerd()), "serve", str(HOME / "workerd.capnp"), *places]


PROCESS = Process(
    name="edge",
    command=command,
    prepare=prepare,
    healthy=http_answers("edge", "/v1/time"),
    ports=("edge",),
    url_path="/",
    sources=("edge-workers",),
)
