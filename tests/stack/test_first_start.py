"""What the first `up` leaves: a snapshot, the demo merchant where wanted, and private files."""

import shutil

import psycopg2
import pytest

from deploy.local import environment
from deploy.local.servers import postgres
from tests.stack.conftest import StackTool

MERCHANTS = "SELECT slug FROM merchants_merchant"
REASONS = "SELECT reason FROM snapshot_snapshot ORDER BY version LIMIT 1"


@pytest.fixture
def fresh(stack: StackTool) -> StackTool:
    """A stack without data."""
    folders = [stack.site.folder(name) for name in ("gateway", "redis-stock")]
    for folder in (postgres.home(stack.site), *folders):
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return stack


def ask(stack: StackTool, query: str) -> list[str]:
    """The first column of a query in `sale`."""
    connection = psycopg2.connect(environment.values(stack.site)["SLUICE_SALE_DSN"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return [row[0] for row in cursor.fetchall()]
    finally:
        connection.close()


def test_the_demo_merchant_is_made_when_it_is_wanted_and_not_before(fresh: StackTool) -> None:
    done = fresh.run("up", "postgres,redis-work,migrations", {"SLUICE_DEMO": "0"})
    assert done.returncode == 0, done.stderr
    assert ask(fresh, MERCHANTS) == []
    assert ask(fresh, REASONS) == ["prepared"]
    done = fresh.run("up", "postgres,redis-work,migrations", {"SLUICE_DEMO": "1"})
    assert done.returncode == 0, done.stderr
    assert ask(fresh, MERCHANTS) == ["demo"]
    again = fresh.run("up", "postgres,redis-work,migrations", {"SLUICE_DEMO": "1"})
    assert "migrations" not in again.stdout


def test_what_programs_write_is_readable_by_their_user_only(fresh: StackTool) -> None:
    fresh.site.folder("gateway").chmod(0o755)  # as an older version left it
    fresh.up("postgres,redis-stock,redis-work,migrations,control-plane,gateway")
    state = fresh.site.state
    written = [
        state / "gateway" / "snapshot.json",  # holds the keys that sign entry tokens
        state / "gateway" / "nginx.pid",
        state / "redis-stock" / "nodes.conf",
        *(state / "redis-stock" / "appendonlydir").iterdir(),
        *(postgres.home(fresh.site) / "data").glob("base/*/PG_VERSION"),
    ]
    modes = {path.name: oct(path.stat().st_mode & 0o077) for path in written}
    assert modes == dict.fromkeys(modes, "0o0")
    assert (state / "gateway").stat().st_mode & 0o077 == 0
