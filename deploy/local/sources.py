"""Has the code changed since? A digest over names, sizes and times of files."""

import hashlib
from pathlib import Path

from deploy.local.site import ROOT

# Nothing that runs reads these.
_NOT_RUN = {"__pycache__", "node_modules", "tests", "spec", "dist"}


def digest(folders: tuple[str, ...]) -> str:
    """Changes when a file below `folders` does; cheap enough to be computed at every `up`."""
    seen = hashlib.sha256()
    for folder in folders:
        for path in sorted(files(ROOT / folder)):
            about = path.stat()
            seen.update(f"{path} {about.st_size} {about.st_mtime_ns}\n".encode())
    return seen.hexdigest()[:16]


def files(folder: Path) -> list[Path]:
    """The files below a folder that take part in running."""
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += files(entry) if entry.name not in _NOT_RUN else []
        else:
            found.append(entry)
    return found


def newest_ns(folders: tuple[Path, ...]) -> int:
    """When the youngest file below was changed, in ns; 0 when there is none."""
    return max((path.stat().st_mtime_ns for f in folders for path in files(f)), default=0)
