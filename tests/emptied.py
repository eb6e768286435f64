"""A pytest plugin: databases are emptied after a test that commits, and only where something lies.

Django truncates every table of every app after such a test and makes content types and permissions
anew: for a hundred tables that is most of a second, in which PostgreSQL makes and throws away a few
hundred files. Here rows are deleted from the tables that have any, in one transaction without
triggers, so that append-only tables and foreign keys do not hold it up.
"""

from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

# What migrating a test database makes of the code alone; no test writes there.
_OF_THE_CODE = ("django_content_type", "auth_permission")


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Any:
    """In place of Django's own way, for the whole run."""
    djangos = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def empty_each(case: Any) -> None:
        for alias in case._databases_names(include_mirrors=False):
            if not _empty(connections[alias]):
                djangos(case)
                return

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_each)
        yield


def _empty(connection: BaseDatabaseWrapper) -> bool:
    """Delete every row; False when this role may not switch triggers off (before PostgreSQL 15)."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [connection.ops.quote_name(name) for name in names if name not in _OF_THE_CODE]
    if connection.pg_version < 150_000:  # type: ignore[attr-defined]
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_parameter_privilege('session_replication_role', 'SET')")
        if not cursor.fetchone()[0]:
            return False
        looks = (f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables)
        cursor.execute(" UNION ALL ".join(looks))
        filled = [table for (table,) in cursor.fetchall()]
        deletes = (f"DELETE FROM {table};" for table in filled)
        cursor.execute(
            f"BEGIN; SET LOCAL session_replication_role = replica; {' '.join(deletes)} COMMIT"
        )
    return True
