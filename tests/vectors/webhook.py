"""A merchant's side of a webhook: the snippet of control_plane/webhooks/README.md, as it stands."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

README = Path(__file__).parents[2] / "control_plane" / "webhooks" / "README.md"

Verify = Callable[[str, Mapping[str, str], bytes, float], dict[str, Any]]


def _snippet() -> Verify:
    found = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert found, f"{README} has no Python for integrators"
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102  (what integrators copy is what is tested)
    verify: Verify = names["verify"]
    return verify


verify = _snippet()
