"""What only a comparison or a download needs is not in every process from its start."""

import os
import subprocess
import sys

CODE = """
import sys
import workers
import control_plane.config.urls
from control_plane.config.celery import app
app.loader.import_default_modules()
print(*(name for name in ("duckdb", "ibis", "numpy", "pyarrow", "pyspark") if name in sys.modules))
"""


def test_a_process_starts_without_what_compares_the_sides():
    command = [sys.executable, "-c", CODE]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    assert said.stdout == "\n"
