"""Control runs: the same drill in a copy of the tree that lacks one guard must be red.

The copy is the files as they are now, committed or not; it has its own var/, so its own stack and
data, on the same profile. The drill runs there as a process of its own, so that stack, product and
judge are all the copy's.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.site import ROOT
from tests.drill import child
from tests.drill.drill import AS_IT_MUST, Control, Drill

# Installed, not built: the copy may use the original's.
SHARED = (".venv", "edge-workers/node_modules", "var/kafka")
DEADLINE_S = 600


class Stale(Exception):
    """The text that the control replaces does not stand in the file exactly once."""


def without(text: str, control: Control) -> str:
    """The file without the guard. Raises Stale."""
    found = text.count(control.old)
    if found != 1:
        raise Stale(f"control is stale: found {found} times in {control.file}")
    return text.replace(control.old, control.new)


class Copies:
    """Copies of the tree; `template` is the var/ of a stack that was prepared and stopped."""

    def __init__(self, template: Path | None = None) -> None:
        self._template = template

    def run(self, drill: Drill, control: Control) -> str:
        """AS_IT_MUST, or why the control proves nothing."""
        try:
            mutated = without((ROOT / control.file).read_text(), control)
        except (Stale, OSError) as error:
            return str(error)
        with self._copy(drill.profile) as tree:
            (tree / control.file).write_text(mutated)
            return _verdict(tree, drill, control)

    @contextmanager
    def _copy(self, profile: str) -> Iterator[Path]:
        # Not readable for others by default, and PostgreSQL's user has to get to its data.
        folder = Path(tempfile.mkdtemp(prefix="sluice-drill-"))
        folder.chmod(0o755)
        tree = folder / "tree"
        try:
            copy_tree(tree)
            if self._template and self._template.exists():
                command = ["cp", "-a", str(self._template), str(tree / "var" / profile)]
                subprocess.run(command, check=True)
            yield tree
        finally:
            with child.undisturbed():
                try:
                    _run(tree, "deploy.local", "down", "--profile", profile)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)


def copy_tree(target: Path) -> None:
    """Every file that git knows or would add; what is installed is linked."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    for name in SHARED:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).symlink_to(ROOT / name)


def _verdict(tree: Path, drill: Drill, control: Control) -> str:
    (tree / "var" / "drill" / "report.json").unlink(missing_ok=True)
    try:
        done = _run(tree, "tests.drill", "--name", drill.name, "--no-controls", "--keep-data")
    except subprocess.TimeoutExpired as error:
        return f"the control did not come to a verdict within {DEADLINE_S} s: {error.output[-400:]}"
    try:
        [found] = json.loads((tree / "var" / "drill" / "report.json").read_text())["drills"]
    except (OSError, ValueError) as error:
        return f"the control did not come to a verdict ({error}): {done[-400:]}"
    said = "; ".join(found["complaints"])
    if found["verdict"] == "fail" and re.search(control.told, said):
        return AS_IT_MUST
    return f"{found['verdict']} although {control.file} lacks the guard: {said or 'no complaint'}"


def _run(tree: Path, module: str, *words: str) -> str:
    """A module of the copy; what it printed. Raises subprocess.TimeoutExpired."""
    if not tree.exists():
        return ""
    names = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    names.pop("DJANGO_SETTINGS_MODULE", None)
    names["PYTHONPATH"] = str(tree)
    return child.run(module, words, tree, names=names, deadline_s=DEADLINE_S, quiet=True)
