"""A database that takes connections and refuses some orders: a half migrated schema, say."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def orders_refused(shopper: str) -> Iterator[None]:
    """No order of this shopper can be inserted; a pattern of LIKE."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'the trigger says no to %', NEW.shopper; END $$;
            """
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON orders_order FOR EACH ROW"
            f" WHEN (NEW.shopper LIKE '{shopper}') EXECUTE FUNCTION refuse()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON orders_order; DROP FUNCTION refuse()")
