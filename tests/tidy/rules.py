"""The rules of the tree that no linter knows: path and text in, complaints out."""

import ast
import re
from pathlib import PurePosixPath

LONGEST_FILE = 400
LONGEST_FUNCTION = 70
LARGEST_FILE_BYTES = 1_000_000

# Names that say nothing about what is inside, so that everything ends up there.
EMPTY_NAMES = {"utils", "util", "common", "helpers", "manager", "managers", "scripts", "misc"}

SOURCE_SUFFIXES = {
    *(".py", ".lua", ".ts", ".mjs", ".js", ".css", ".html", ".sh"),
    *(".conf", ".template", ".xml", ".capnp", ".md"),
}
LOCK_FILES = {"requirements.txt", "requirements-dev.txt", "package-lock.json"}

_MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:root|home/\w+|work|Users/\w+)/[\w.-]+")
_REGISTRY = re.compile(
    r"https?://[^/\s\"']*(?:registry|pypi|pythonhosted|npmjs|maven|debian)[^/\s\"']*", re.IGNORECASE
)
_LOCKED_ADDRESS = re.compile(r'"resolved":|--(?:extra-)?index-url|--find-links|<repositor')


def too_long(path: PurePosixPath, text: str) -> list[str]:
    """A file nobody reads to its end. Migrations and lock files are not written by hand."""
    if path.suffix not in SOURCE_SUFFIXES or "migrations" in path.parts:
        return []
    lines = text.count("\n")
    return [f"{path}: {lines} lines, at most {LONGEST_FILE}"] if lines > LONGEST_FILE else []


def empty_name(path: PurePosixPath, text: str) -> list[str]:
    """A folder named for nothing."""
    named = sorted(EMPTY_NAMES & set(path.parts[:-1]))
    return [f"{path}: the name {name!r} says nothing" for name in named]


def address(path: PurePosixPath, text: str) -> list[str]:
    """Where packages come from, or where somebody keeps his clone, is not the tree's business."""
    found = [match[0] for match in (*_MACHINE_PATH.finditer(text), *_REGISTRY.finditer(text))]
    if path.name in LOCK_FILES or path.name == "pom.xml":
        found += _LOCKED_ADDRESS.findall(text)
    return [f"{path}: {what}" for what in found]


def long_function(path: PurePosixPath, text: str) -> list[str]:
    """A Python function that does not fit on a screen."""
    if path.suffix != ".py":
        return []
    complaints = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                complaints.append(f"{path}:{node.lineno}: {node.name} has {lines} lines")
    return complaints


def large(path: PurePosixPath, text: str) -> list[str]:
    """Something that belongs into a release, not into everybody's clone."""
    size = len(text.encode())
    return [f"{path}: {size} bytes"] if size > LARGEST_FILE_BYTES else []


RULES = (too_long, empty_name, address, long_function, large)
