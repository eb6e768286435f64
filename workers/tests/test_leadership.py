"""One of several processes leads; a second one takes over when it goes."""

from django.db import connection

from workers.leadership import Leadership


def test_one_of_two_leads_and_the_other_takes_over(transactional_db):
    one, two = Leadership(4711), Leadership(4711)
    try:
        assert one.held()
        assert one.held()
        assert not two.held()
        one.resign()
        assert two.held()
        assert not one.held()
    finally:
        one.resign()
        two.resign()


def test_a_leader_whose_session_was_cut_knows_it(transactional_db):
    one, two = Leadership(4711), Leadership(4711)
    try:
        assert one.held()
        with one._session.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        assert not two.held()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert not one.held()
        assert one.held()
    finally:
        one.resign()
        two.resign()
