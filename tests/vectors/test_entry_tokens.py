"""The golden entry tokens, which the edge worker writes, read in Python."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.vectors.entry_token import BadToken, read

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("entry_tokens.json").read_text())
KEYS = {key["kid"]: base64.urlsafe_b64decode(key["secret"] + "==") for key in VECTORS["keys"]}


def _read(vector: dict[str, Any]) -> dict[str, Any]:
    return read(vector["token"], KEYS, VECTORS["item"], VECTORS["now"])


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda one: one["name"])
def test_a_good_token_is_read(vector: dict[str, Any]) -> None:
    assert _read(vector) == vector["claims"]


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=lambda one: one["name"])
def test_a_bad_token_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        _read(vector)
