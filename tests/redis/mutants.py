"""Scripts with one guard taken out: the controls that show that a check can fail."""

import hashlib

from workers.stock.scripts import Script


def without(script: Script, guard: str) -> Script:
    """`script` with the condition `guard` never true. AssertionError when it is not there."""
    return replaced(script, guard, "false")


def replaced(script: Script, old: str, new: str) -> Script:
    """`script` with `old`, which must stand in it exactly once, replaced."""
    assert script.text.count(old) == 1, f"the script does not read {old!r} (once) any more"
    text = script.text.replace(old, new)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
