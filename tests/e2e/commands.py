"""The control plane's commands, one after another in one process: to load Django costs seconds.

    python -m tests.e2e.commands

Each line of its input is a list of words, each of its output what came of it.
"""

import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TextIO

from deploy.local.site import ROOT


class Commands:
    """Such a process, which the tests of a run share."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str) -> Any:
        """`python -m control_plane` with these words: the JSON it prints, None for anything else.

        AssertionError, with what it wrote to stderr, when it fails.
        """
        asked, answered = self._process.stdin, self._process.stdout
        assert asked and answered
        print(json.dumps(words), file=asked, flush=True)
        done = json.loads(answered.readline())
        assert done["code"] == 0, f"{words[0]}: {done['stderr']}"
        try:
            return json.loads(done["stdout"])
        except json.JSONDecodeError:
            return None

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _execute(words: list[str]) -> dict[str, Any]:
    from django.core.management import execute_from_command_line

    said, complained, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(said), redirect_stderr(complained):
        try:
            execute_from_command_line(["python -m control_plane", *words])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except Exception:  # noqa: BLE001  (it is told, and the next command goes on)
            code = 1
            traceback.print_exc()
    return {"code": code, "stdout": said.getvalue(), "stderr": complained.getvalue()}


def _serve(asked: TextIO, answers: TextIO) -> None:
    for line in asked:
        print(json.dumps(_execute(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "control_plane.config.settings"
    _serve(sys.stdin, sys.stdout)
