"""PostgreSQL: one cluster in the state, databases `sale` and `inventory`, logins with scram.

The superuser has no password: it is reachable only through the Unix socket, by the system user
that runs the server. As root that user is `postgres`, because the server refuses to run as root.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg2

from deploy.local.process import CannotStart, Process, Unhealthy
from deploy.local.site import Site

DATABASES = ("sale", "inventory")

# Sized for two cores that run everything else too. Durability (fsync, synchronous_commit) is the
# default on purpose: a confirmed order must survive the machine.
_CONFIG = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{sockets}'
hba_file = '{home}/pg_hba.conf'
ident_file = '{home}/pg_ident.conf'
max_connections = 100
shared_buffers = 256MB
work_mem = 8MB
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
# Short statements only: compiling them or spreading them over workers costs more than they do.
jit = off
max_parallel_workers_per_gather = 0
password_encryption = scram-sha-256
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_min_duration_statement = 1000
"""
_HBA = """\
local all,replication postgres peer map=stack
host all all 127.0.0.1/32 scram-sha-256
"""

# For psql: \\gexec runs what the SELECT prints. CREATEDB: tests make their own databases.
_DATABASE = """\
SELECT 'CREATE ROLE {name}'
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec
ALTER ROLE {name} LOGIN CREATEDB PASSWORD '{password}';
SELECT 'CREATE DATABASE {name} OWNER {name}'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec
"""

# Tests empty append-only tables too (tests/emptied.py).
_WITHOUT_TRIGGERS = """\
SELECT 'GRANT SET ON PARAMETER session_replication_role TO {name}'
  WHERE current_setting('server_version_num')::int >= 150000 \\gexec
"""


def system_user() -> str | None:
    """The user the server runs as when that is not ourselves."""
    return "postgres" if os.getuid() == 0 else None


def as_system_user(command: Sequence[str]) -> list[str]:
    """`command` run as the server's user; no shell, no login, no password."""
    user = system_user()
    if user is None:
        return list(command)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *command]


def binary(name: str, home: Path) -> str:
    """The newest installed server, or the one that wrote the data already there."""
    written = home / "data" / "PG_VERSION"
    wanted = written.read_text().strip() if written.exists() else "*"
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"{wanted}/bin/{name}"),
        key=lambda path: float(path.parts[-3]),
    )
    if found:
        return str(found[-1])
    if wanted == "*" and (on_path := shutil.which(name)):
        return on_path
    raise CannotStart(f"{name} of PostgreSQL {wanted} is not installed; {home} was written by it")


def home(site: Site) -> Path:
    """The server's folder; outside of the clone when its user cannot get at it there."""
    inside = site.folder() / "postgres"
    if inside.is_symlink() or inside.exists():
        return inside.resolve()
    reachable = as_system_user(["test", "-x", str(site.state)])
    if subprocess.run(reachable, check=False).returncode == 0:
        inside.mkdir(mode=0o700)
        return inside
    outside = Path(f"/var/lib/sluice-{site.clone_id}/{site.profile}-postgres")
    if outside.exists():
        # The clone's var/ was thrown away: orders without their messages would only mislead.
        print(f"  postgres: {outside} is left over from a removed var/, starting afresh")
        shutil.rmtree(outside)
    outside.mkdir(mode=0o755, parents=True)
    inside.symlink_to(outside)
    print(f"  postgres: user {system_user()} cannot enter {site.state}, its data is in {outside}")
    return outside


def prepare(site: Site) -> None:
    """Create the cluster once; write the configuration every time."""
    folder = home(site)
    user = system_user() or pwd.getpwuid(os.getuid()).pw_name
    _own(folder)
    if not (folder / "data" / "PG_VERSION").exists():
        initdb = [binary("initdb", folder), "-D", str(folder / "data"), "-U", "postgres"]
        options = ["--data-checksums", "--auth=peer", "--encoding=UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            as_system_user([*initdb, *options]),
            check=False,
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            shutil.rmtree(folder / "data", ignore_errors=True)
            raise CannotStart(f"initdb: {done.stderr.strip()}")
    sockets = _sockets(site)
    config = _CONFIG.format(port=site.server_port("postgres"), sockets=sockets, home=folder)
    for name, text in (
        ("postgresql.conf", config),
        ("pg_hba.conf", _HBA),
        ("pg_ident.conf", f"stack {user} postgres\n"),
    ):
        (folder / name).write_text(text)
        _own(folder / name)


def command(site: Site) -> list[str]:
    """The server in the foreground."""
    folder = home(site)
    data, config = folder / "data", folder / "postgresql.conf"
    return [binary("postgres", folder), "-D", str(data), "-c", f"config_file={config}"]


def alive(site: Site) -> None:
    """The superuser gets an answer through the socket."""
    _psql(site, "SELECT 1;", Unhealthy)


def create_databases(site: Site) -> None:
    """Make the roles and databases, and set the passwords to those of the secrets file."""
    each = _DATABASE + _WITHOUT_TRIGGERS if site.settings.is_test else _DATABASE
    script = "".join(
        each.format(name=name, password=site.secrets[f"{name}_password"]) for name in DATABASES
    )
    _psql(site, script, CannotStart)


def healthy(site: Site) -> None:
    """Both databases answer a statement of their own role over TCP."""
    for name in DATABASES:
        try:
            connection = psycopg2.connect(
                host=site.host("postgres"),
                port=site.port("postgres"),
                dbname=name,
                user=name,
                password=site.secrets[f"{name}_password"],
                connect_timeout=2,
            )
        except psycopg2.OperationalError as error:
            raise Unhealthy(str(error).strip()) from error
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.close()


def _psql(site: Site, script: str, verdict: type[Exception]) -> None:
    """Run a script as the superuser; stderr becomes the verdict."""
    port = str(site.server_port("postgres"))
    target = ["psql", "-h", str(_sockets(site)), "-p", port, "-U", "postgres"]
    done = subprocess.run(
        as_system_user([*target, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-f", "-"]),
        check=False,
        cwd="/",
        input=script,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise verdict(done.stderr.strip())


def _sockets(site: Site) -> Path:
    """Where the Unix socket lies; private to the server's user."""
    folder = site.socket_dir(home(site) / "run")
    folder.mkdir(exist_ok=True)
    _own(folder)
    return folder


def _own(path: Path) -> None:
    """Give a path to the server's user and nobody else."""
    if user := system_user():
        shutil.chown(path, user, user)
    path.chmod(0o700 if path.is_dir() else 0o600)


PROCESS = Process(
    name="postgres",
    command=command,
    prepare=prepare,
    alive=alive,
    finish=create_databases,
    healthy=healthy,
    ports=("postgres",),
    user=system_user,
    stop_signal="INT",  # fast shutdown; TERM would wait for every client to leave
)
