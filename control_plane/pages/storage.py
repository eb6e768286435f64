"""Where published files go: a directory that the edge reads.

Names are made of content, so a file never changes. `index.json` alone does, by rename: a reader
sees the old one or the new one, and every file that either names is there. Whatever dies in between
leaves files that nobody names, which `sweep` removes later.

On this machine the directory is `var/<profile>/published`, served by workerd. For Cloudflare the
same directory is uploaded as static assets (`edge-workers/wrangler.jsonc`).
"""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

INDEX = "index.json"
# A page that was read a moment ago names its pictures, and a shared cache may have kept it longer
# than it was told to. A day covers both and costs some disk.
GRACE = timedelta(days=1)
_CONTENT_NAME = re.compile(r"[0-9a-f]{32}\.(?:html|json|webp)")
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.new")

Json = dict[str, Any]


class PublishedDirectory:
    """The directory. One writer at a time: the caller holds a lock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def index(self) -> Json:
        """What is published now; nothing when nothing is, or when it cannot be read."""
        try:
            read: Json = json.loads((self._path / INDEX).read_bytes())
            campaigns: Json = read["campaigns"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return {}
        return campaigns

    def has(self, names: Iterable[str]) -> bool:
        """Whether all of these files are there."""
        return all((self._path / name).is_file() for name in names)

    def write(self, name: str, body: bytes) -> None:
        """A file under the name of its content. Repeating it changes nothing."""
        if not _CONTENT_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a published file")
        self._write(name, body)

    def write_index(self, campaigns: Json) -> bool:
        """Publish: from now on the files these campaigns name are what is read. False: no change.

        Every file they name has been written before.
        """
        before = self.index()
        body = json.dumps({"campaigns": campaigns}, sort_keys=True).encode()
        if before == campaigns and (self._path / INDEX).is_file():
            return False
        # The grace of what is not named any more begins now.
        self._touch(_named(before))
        self._write(INDEX, body)
        return True

    def sweep(self, now: datetime) -> int:
        """Remove what no index has named for GRACE; how many files."""
        named, removed = _named(self.index()), 0
        oldest = (now - GRACE).timestamp()
        for path in self._path.iterdir() if self._path.is_dir() else ():
            is_ours = _CONTENT_NAME.fullmatch(path.name) or _UNFINISHED.fullmatch(path.name)
            if is_ours and path.name not in named and path.stat().st_mtime < oldest:
                path.unlink()
                removed += 1
        return removed

    def _write(self, name: str, body: bytes) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        # Not the process id alone: after a reboot somebody else's leftover may have it.
        unfinished = self._path / f".{secrets.token_hex(8)}.new"
        with unfinished.open("xb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path / name)
        # The rename is on disk before anything that relies on it: files before the index.
        folder = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _touch(self, names: Iterable[str]) -> None:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self._path / name)


def _named(campaigns: Json) -> set[str]:
    return {name for entry in campaigns.values() for name in entry["files"]}
