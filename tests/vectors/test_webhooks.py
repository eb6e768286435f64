"""The golden webhooks, which the control plane signs, verified by what integrators are given."""

import json
from pathlib import Path
from typing import Any

import pytest

from control_plane.webhooks import signing
from tests.vectors.webhook import verify

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("webhooks.json").read_text())


def _verified(vector: dict[str, Any]) -> dict[str, Any]:
    body = vector["body"].encode()
    return verify(vector["secret"], vector["headers"], body, vector["now_s"])


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda one: one["name"])
def test_a_good_webhook_is_read(vector: dict[str, Any]) -> None:
    assert _verified(vector) == json.loads(vector["body"])


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=lambda one: one["name"])
def test_a_bad_webhook_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"signature|too old"):
        _verified(vector)


@pytest.mark.parametrize("vector", VECTORS["valid"][:2], ids=lambda one: one["name"])
def test_the_control_plane_signs_as_it_always_did(vector: dict[str, Any]) -> None:
    headers = vector["headers"]
    at_s = int(headers[signing.TIMESTAMP])
    body = vector["body"].encode()
    assert signing.headers([vector["secret"]], headers[signing.ID], at_s, body) == headers
