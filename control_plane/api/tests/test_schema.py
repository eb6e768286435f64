"""The OpenAPI document: checked in, complete, and readable."""

from pathlib import Path

import pytest
import yaml
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

from control_plane.api.scopes import Scope

CHECKED_IN = Path(__file__).parents[1] / "schema.yaml"
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document():
    return SchemaGenerator().get_schema(request=None, public=True)


def _operations(document):
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield f"{method} {path}", item[method]


def test_what_is_checked_in_is_what_is_served(document):
    made = OpenApiYamlRenderer().render(document, renderer_context={}).decode()
    said = "python -m control_plane spectacular --file control_plane/api/schema.yaml"
    assert CHECKED_IN.read_text(encoding="utf-8") == made, f"made anew by: {said}"


def test_it_is_a_valid_document(document):
    validate_schema(yaml.safe_load(CHECKED_IN.read_text(encoding="utf-8")))


def test_every_operation_has_an_id_of_its_own_and_its_refusals(document):
    ids = [operation["operationId"] for _, operation in _operations(document)]
    assert len(ids) == len(set(ids)) > 40
    for name, operation in _operations(document):
        assert {"400", "405", "406", "429", "500"} <= operation["responses"].keys(), name
        assert operation["description"], name
        assert operation["tags"], name


def test_every_write_by_somebody_takes_an_idempotency_key(document):
    for name, operation in _operations(document):
        named = {one["name"] for one in operation.get("parameters", ())}
        is_by_somebody = "security" in operation and "/demo/" not in name
        is_write = not name.startswith("get")
        assert ("Idempotency-Key" in named) == (is_write and is_by_somebody), name


def test_every_scope_opens_something(document):
    texts = " ".join(operation["description"] for _, operation in _operations(document))
    for scope in Scope.values:
        assert f"Scope: `{scope}`." in texts


@pytest.mark.django_db
def test_it_is_served_to_everybody(client):
    assert client.get("/api/schema/").status_code == 200
    page = client.get("/api/docs/").content.decode()
    # From our own host, and with nothing that the console's policy refuses.
    assert "https://" not in page
    assert "<style" not in page
    assert "<script>" not in page
    script = client.get("/api/docs/", {"script": ""})
    assert "SwaggerUIBundle" in script.content.decode()
