"""`python -m deploy.audit.bill --into FOLDER`: what Sluice is made of, and its licences.

Reads what is pinned and installed: requirements.txt through the packages' own metadata, the npm
lock file, Kafka's jars; writes CycloneDX and a table. Asks nobody. Exit code 1 when a licence is
not one of ALLOWED, or unknown.
"""

import argparse
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# How packages write the same licence; what is not here stands as it is.
SPELT = {
    "Apache Software License": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "The Apache License, Version 2.0": "Apache-2.0",
    "The Apache Software License, Version 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "MIT License": "MIT",
    "The MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "New BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Public Domain, per Creative Commons CC0": "CC0-1.0",
    "https://opensource.org/licenses/BSD-2-Clause": "BSD-2-Clause",
    "LGPLv3": "LGPL-3.0-only",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later",
}
# Jars that say nothing of themselves; looked up at their projects on 2026-11-26.
BY_PROJECT = {
    "hash4j": "Apache-2.0",
    "metrics-core": "Apache-2.0",
    "pcollections": "MIT",
    "re2j": "BSD-3-Clause",
    "slf4j-api": "MIT",
}
ALLOWED = {
    *("MIT", "MIT-CMU", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "MPL-2.0"),
    *("PSF-2.0", "Unlicense", "CC0-1.0"),
}
# Looked at by a person: why it may be used although its licence, or its metadata, says otherwise.
EXCEPTIONS = {
    "psycopg2-binary": "LGPL-3.0: a library, used unchanged; only changes to itself are bound",
    "python-crontab": "LGPL-3.0: as psycopg2; django-celery-beat needs it",
    "supervisor": "BSD-derived (Repoze): BSD with one more clause, on the names of its authors",
}


@dataclass(frozen=True, order=True)
class Component:
    """One package at one version; `licence` as SPDX writes it where it is known."""

    kind: str
    name: str
    version: str
    licence: str
    runs: bool

    @property
    def purl(self) -> str:
        """Its address as other tools write it (package-url)."""
        return f"pkg:{self.kind}/{self.name.replace('@', '%40')}@{self.version}"

    @property
    def allowed(self) -> bool:
        """Any of an OR will do, every one of an AND has to."""
        if self.name in EXCEPTIONS:
            return True
        options = re.split(r"\s+OR\s+", self.licence.strip("()"))
        return any(
            all(part.strip("() ") in ALLOWED for part in re.split(r"\s+AND\s+", one))
            for one in options
        )


def python(requirements: Path, runs: bool) -> Iterator[Component]:
    """Pinned packages, by their installed metadata; one that is not installed has no licence."""
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==(\S+)", requirements.read_text(), re.MULTILINE
    ):
        yield Component("pypi", name.lower(), version, _python_licence(name), runs)


def _python_licence(name: str) -> str:
    try:
        known = metadata(name).json
    except PackageNotFoundError:
        return "unknown"
    if expression := known.get("license_expression"):
        return str(expression)
    found = [
        one.rpartition("::")[2].strip()
        for one in known.get("classifier", [])
        if one.startswith("License ::")
    ]
    told = found or [str(known.get("license", "unknown")).splitlines()[0].strip()]
    return " OR ".join(dict.fromkeys(SPELT.get(one, one) for one in told))


def npm(lock: Path) -> Iterator[Component]:
    """Every package of the lock file, with the licence that npm wrote there."""
    for path, entry in json.loads(lock.read_text())["packages"].items():
        if path:
            name = entry.get("name") or path.rpartition("node_modules/")[2]
            licence = entry.get("license", "unknown")
            yield Component("npm", name, entry["version"], licence, not entry.get("dev", False))


def jars(folder: Path) -> Iterator[Component]:
    """Kafka's jars. A licence is in a pom inside, or in a manifest; not every jar has either."""
    for path in sorted(folder.glob("*.jar")):
        named = re.fullmatch(r"(.+?)-(\d[\w.-]*?)(?:\.jar)", path.name)
        name, version = (named[1], named[2]) if named else (path.stem, "unknown")
        told = BY_PROJECT.get(name) or _jar_licence(path)
        yield Component("maven", name, version, told, runs=True)


def _jar_licence(path: Path) -> str:
    with zipfile.ZipFile(path) as jar:
        for inside in jar.namelist():
            if inside.endswith("/pom.xml"):
                block = re.search(
                    r"<license>.*?<name>(.*?)</name>", jar.read(inside).decode(), re.S
                )
                if block:
                    return SPELT.get(block[1].strip(), block[1].strip())
        try:
            manifest = jar.read("META-INF/MANIFEST.MF").decode().replace("\r\n ", "")
        except KeyError:
            manifest = ""
        if told := re.search(r"Bundle-License: *\"?([^;,\s]+)", manifest):
            return "Apache-2.0" if "apache.org" in told[1] else SPELT.get(told[1], told[1])
        for inside in jar.namelist():
            if re.search(r"(^|/)LICENSE(\.txt)?$", inside):
                text = jar.read(inside).decode(errors="replace")[:400]
                return "Apache-2.0" if "Apache License" in text else "unknown"
    return "unknown"


def components() -> list[Component]:
    """Everything; what both requirement files name counts as running."""
    runtime = list(python(ROOT / "requirements.txt", runs=True))
    known = {one.name for one in runtime}
    tools = [
        one for one in python(ROOT / "requirements-dev.txt", runs=False) if one.name not in known
    ]
    node = npm(ROOT / "edge-workers" / "package-lock.json")
    return sorted({*runtime, *tools, *node, *jars(ROOT / "var" / "kafka" / "libs")})


def cyclonedx(found: list[Component]) -> dict[str, object]:
    """CycloneDX 1.5: the part that scanners read."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "sluice", "bom-ref": "sluice"}},
        "components": [
            {
                "type": "library",
                "bom-ref": one.purl,
                "name": one.name,
                "version": one.version,
                "purl": one.purl,
                "scope": "required" if one.runs else "excluded",
                "licenses": [{"expression": one.licence}]
                if one.licence in ALLOWED or re.search(" (OR|AND) ", one.licence)
                else [{"license": {"name": one.licence}}],
            }
            for one in found
        ],
    }


def licences(found: list[Component]) -> str:
    """A page for people: how many of each, then each."""
    counts = Counter((one.licence, one.runs) for one in found)
    head = [
        f"{count} × {licence}{'' if runs else ' (tools)'}"
        for (licence, runs), count in counts.most_common()
    ]
    rows = [
        f"| {one.kind} | {one.name} | {one.version} | {one.licence}"
        f" | {'runs' if one.runs else 'tool'} |"
        for one in found
    ]
    table = ["| kind | package | version | licence | |", "|---|---|---|---|---|", *rows]
    return "\n".join(["# Licences", "", "; ".join(head), "", *table, ""])


def main() -> int:
    """Write both files and name what is not allowed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.audit.bill", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "var" / "audit")
    folder = parser.parse_args().into
    folder.mkdir(parents=True, exist_ok=True)
    found = components()
    (folder / "sbom.cdx.json").write_text(json.dumps(cyclonedx(found), indent=1) + "\n")
    (folder / "licences.md").write_text(licences(found))
    wrong = [one for one in found if not one.allowed]
    for one in wrong:
        print(f"{one.purl}: {one.licence}", file=sys.stderr)
    print(f"{len(found)} packages in {folder}/sbom.cdx.json; {len(wrong)} licences to look at")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
