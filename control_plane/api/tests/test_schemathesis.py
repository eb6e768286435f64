"""Requests made from the schema, right and wrong ones, against the application and its database.

What comes back has to be what the schema says. Bounded: some examples for each operation.
"""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode

EXAMPLES = 5
OF_STAFF = {"risk-rules", "rate-limits", "bans", "presets"}
# What the schema cannot say: that an end is after its start, that a slug is taken, that a value is
# one of its switch's, that a tag is the newest. Such requests are refused by these.
REFUSED = ["400", "412", "422"]
CONFIG = {
    "checks": {
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "401", "403", "404", "409", *REFUSED]
        },
    },
}


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """Django's own test client does the same: the test's transaction is on this connection."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def schema(call: Any, shop: Any, _one_connection: None) -> Any:
    """As it is served, of an application that has one of everything."""
    with connection.cursor() as cursor:
        # Between two requests it may take longer to make up the next one.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    app = get_wsgi_application()
    config = SchemathesisConfig.from_dict(CONFIG)
    loaded = schemathesis.openapi.from_wsgi("/api/schema/?format=json", app, config=config)
    User.objects.create_superuser("ann", password="pw")
    basic = f"Basic {base64.b64encode(b'ann:pw').decode()}"
    bearer = call.headers["authorization"]
    known = {
        "slug": shop.draft.slug,
        "number": shop.order.number,
        "reservation_id": shop.order.reservation_id,
        "item": shop.item.pk,
        "item_id": shop.item.pk,
    }

    @loaded.hook
    def map_path_parameters(context: Any, path_parameters: Any) -> Any:
        """Half of the time something that is there."""
        for name in known.keys() & (path_parameters or {}).keys():
            if len(str(path_parameters[name])) % 2:
                path_parameters[name] = known[name]
        return path_parameters

    @loaded.auth()
    class Identity:
        def get(self, case: Any, context: Any) -> str:
            return basic if case.operation.path.split("/")[3] in OF_STAFF else bearer

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = data

    return loaded


@pytest.mark.django_db
def test_right_requests_get_what_the_schema_says(schema):
    _try_out(schema, GenerationMode.POSITIVE)


@pytest.mark.django_db
def test_wrong_requests_get_what_the_schema_says(schema):
    schema.hooks.unregister_all()
    _try_out(schema, GenerationMode.NEGATIVE)


def _try_out(schema: Any, mode: GenerationMode) -> None:
    """In one test: the shop costs more than an operation's requests."""
    failures = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        try:
            _requests_of(operation, mode, schema.auth)
        except Unsatisfiable:
            pass  # nothing can be wrong about a request that takes nothing
        except FailureGroup as group:
            failures[operation.label] = [str(one) for one in group.exceptions]
    assert not failures, "\n\n".join(f"{name}: {said}" for name, said in failures.items())


def _requests_of(operation: Any, mode: GenerationMode, auth: Any) -> None:
    @given(case=operation.as_strategy(generation_mode=mode, auth_storage=auth))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    def requests(case: Any) -> None:
        case.call_and_validate()

    requests()
