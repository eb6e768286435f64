"""Django: the web process, Celery's worker and beat, and what must be done before they start."""

import os
import subprocess
import sys
from pathlib import Path

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from deploy.local import environment, sources
from deploy.local.checks import http_answers
from deploy.local.process import CannotStart, OneShot, Process, Unhealthy
from deploy.local.servers import edge, postgres
from deploy.local.site import ROOT, Site, write_private

SOURCES = ("control_plane",)
PING_TIMEOUT_S = 1.0
WEBHOOKS_NODE = "webhooks@sluice"
# Long polls hold their connections for up to 25 s; a stop does not wait for them.
GRACEFUL_STOP_S = "3"


def migrate(site: Site) -> None:
    """Bring both databases up to date, make the first snapshot and the user `admin`.

    The demo merchant is made with them where SLUICE_DEMO is 1.
    """
    _run(site, "-m", "control_plane", "prepare")
    password_file(site)
    _run(site, "-m", "deploy.local.admin_user", str(password_file(site)))
    _stamp(site).write_text(_prepared_from(site))


def migrated(site: Site) -> bool:
    """Whether this very code has migrated this very cluster: the stamp lies beside its data."""
    stamp = _stamp(site)
    return stamp.exists() and stamp.read_text() == _prepared_from(site)


def password_file(site: Site) -> Path:
    """Where a person finds the password of the user `admin`."""
    path = site.state / "admin-password"
    write_private(path, site.secrets["admin_password"] + "\n")
    return path


def celery_answers(site: Site) -> None:
    """A worker on this broker answers a ping."""
    _ping(site, None)


def webhooks_answer(site: Site) -> None:
    """The worker that sends webhooks does."""
    _ping(site, [WEBHOOKS_NODE])


def _ping(site: Site, nodes: list[str] | None) -> None:
    app = Celery(broker=environment.values(site)["SLUICE_WORK_REDIS_URL"], set_as_current=False)
    try:
        answers = app.control.ping(destination=nodes, timeout=PING_TIMEOUT_S, limit=1)
    except (OSError, OperationalError, redis.RedisError) as error:
        raise Unhealthy(f"celery ping: {error}") from error
    finally:
        app.close()
    if not answers:
        raise Unhealthy(f"no Celery worker answered a ping within {PING_TIMEOUT_S} s")


def beat_runs(site: Site) -> None:
    """Beat answers nobody; `silent` makes the stack look at supervisord's word for it."""


def _stamp(site: Site) -> Path:
    return postgres.home(site) / "migrated"


def _prepared_from(site: Site) -> str:
    """What `prepare` depends on: the code, and whether there is to be a demo merchant."""
    demo = environment.of(site, "control-plane")["SLUICE_DEMO"]
    return f"{sources.digest(SOURCES)} SLUICE_DEMO={demo}"


def _run(site: Site, *arguments: str) -> None:
    """A command in the control plane's environment; what it said is shown when it fails."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        cwd=ROOT,
        env=kept | environment.of(site, "control-plane"),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()[-4000:]
        raise CannotStart(f"{' '.join(arguments[1:])} failed:\n{said}")


def web(site: Site) -> list[str]:
    """What `python -m` is given; the image has a Python of its own."""
    address = ["--host", site.host("control-plane"), "--port", str(site.port("control-plane"))]
    quiet = ["--no-access-log", "--timeout-graceful-shutdown", GRACEFUL_STOP_S]
    application = "control_plane.config.asgi:application"
    return ["uvicorn", application, *address, *quiet]


def _celery(*arguments: str) -> list[str]:
    # Quiet: a banner is no line of a log.
    return [sys.executable, "-m", "celery", "-q", "-A", "control_plane.config", *arguments]


MIGRATIONS = OneShot(name="migrations", run=migrate, done=migrated)
WEB = Process(
    name="control-plane",
    command=lambda site: [sys.executable, "-m", *web(site)],
    # WhiteNoise looks at its start which files there are, the board's among them.
    prepare=lambda site: edge.build(),
    healthy=http_answers("control-plane", "/readyz"),
    ports=("control-plane",),
    url_path="/admin/",
    sources=(*SOURCES, "edge-workers/board"),
)
CELERY_WORKER = Process(
    name="celery-worker",
    command=lambda site: _celery("worker", "--concurrency", "1", "--loglevel", "info"),
    healthy=celery_answers,
    ports=("celery-worker",),
    sources=SOURCES,
)
# In threads, so that it answers a ping while a merchant's server takes its time; one for each run
# that there can be at once: two deliver, and five other tasks (control_plane/config/celery.py).
CELERY_WEBHOOKS = Process(
    name="celery-webhooks",
    command=lambda site: _celery(
        *("worker", "-Q", "webhooks,slow", "-n", WEBHOOKS_NODE),
        *("--pool", "threads", "--concurrency", "8", "--loglevel", "info"),
    ),
    healthy=webhooks_answer,
    ports=("celery-webhooks",),
    sources=SOURCES,
)
CELERY_BEAT = Process(
    name="celery-beat",
    command=lambda site: _celery("beat", "--loglevel", "info", "--pidfile="),
    healthy=beat_runs,
    ports=("celery-beat",),
    silent=True,
    sources=SOURCES,
)
