"""What can be wrong in compose.yaml and no schema sees: names that nothing answers to.

Pure: a parsed file and the values of an env file in, complaints out. `docker compose config` is the
judge of the syntax; where there is no Docker, `make check-deploy` asks the Compose specification's
own JSON schema.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.local import environment

IMAGES = {"sluice-gateway", "sluice-edge", "sluice-python"}
_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)\}")
# One number of the host's, or one of the container's behind it.
_PORT = re.compile(r"(?:[\d.]+:)?(\d+):(\d+)(?:/udp)?")


def substituted(text: str, values: Mapping[str, str]) -> str:
    """Compose's ${NAME}; KeyError for a name that the env file lacks."""
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=value lines."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def complaints(parsed: Mapping[str, Any], folder: Path, known: Iterable[str]) -> list[str]:
    """Everything that is named and is not there. `known`: the variables that some process reads."""
    services: dict[str, dict[str, Any]] = parsed["services"]
    found: list[str] = []
    for name, service in services.items():
        found += [
            f"{name}: {what}"
            for what in (
                *_image(service),
                *_needs(service, services),
                *_variables(name, service, set(known)),
                *_secrets(service, parsed["secrets"]),
                *_volumes(service, parsed["volumes"], folder),
                *_logs(service, services),
            )
        ]
    return found + _unused(parsed)


def _image(service: Mapping[str, Any]) -> list[str]:
    repository, _, tag = service["image"].rpartition(":")
    if repository.startswith("sluice-") and repository not in IMAGES:
        return [f"no Containerfile builds {repository}"]
    return [] if repository and tag != "latest" else [f"{service['image']} is not pinned"]


def _needs(service: Mapping[str, Any], services: Mapping[str, Any]) -> list[str]:
    found = []
    for other, how in service.get("depends_on", {}).items():
        if other not in services:
            found.append(f"depends on {other}, which is not there")
        elif how["condition"] == "service_healthy" and not _has_check(services[other]):
            found.append(f"waits until {other} is healthy, which nobody checks")
        elif "profiles" in services[other] and how.get("required", True):
            found.append(f"needs {other}, which is in some profiles only")
    return found


def _has_check(service: Mapping[str, Any]) -> bool:
    """Of ours the image has one (HEALTHCHECK), but for the Python one, whose command decides."""
    image = service["image"].partition(":")[0]
    return "healthcheck" in service or image in {"sluice-gateway", "sluice-edge"}


def _variables(name: str, service: Mapping[str, Any], known: set[str]) -> list[str]:
    """What it is told, and whether a process of the local stack is told no less."""
    told = {*service.get("environment", {}), *(target for _, target in _given(service))}
    ours = {one for one in told if one.startswith("SLUICE_")}
    found = [f"nobody reads {one}" for one in sorted(ours - known)]
    needed = set(environment.NEEDED.get(name.removesuffix("-1").removesuffix("-2"), ()))
    image = {"SLUICE_METRICS_ADDRESS", "SLUICE_PUBLISH_DIR", "SLUICE_PROFILE"}
    missing = needed - told - image - set(environment.TUNABLES)
    return found + [f"is not told {one}" for one in sorted(missing)]


def _given(service: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Secret and name of its file, of the short and of the long form."""
    listed = service.get("secrets", [])
    return [
        (one, one) if isinstance(one, str) else (one["source"], one["target"]) for one in listed
    ]


def _secrets(service: Mapping[str, Any], declared: Mapping[str, Any]) -> list[str]:
    found = [
        f"secret {one} is declared nowhere" for one, _ in _given(service) if one not in declared
    ]
    inline = [
        one
        for one, value in service.get("environment", {}).items()
        if re.search("PASSWORD|SECRET|TOKEN|_KEY", one)
        and not str(value).startswith("/run/secrets/")
    ]
    return found + [f"{one} stands in the open" for one in inline]


def _volumes(service: Mapping[str, Any], declared: Mapping[str, Any], folder: Path) -> list[str]:
    found = []
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            if not (folder / source).exists():
                found.append(f"{source} does not exist")
        elif source not in declared:
            found.append(f"volume {source} is declared nowhere")
    for port in service.get("ports", []):
        if not _PORT.fullmatch(port):
            found.append(f"port {port!r} has to be host:container")
    return found


def _logs(service: Mapping[str, Any], services: Mapping[str, Any]) -> list[str]:
    """Lines of ours have to be sent somewhere, to a port that somebody publishes."""
    told = service.get("logging", {}).get("options", {}).get("syslog-address")
    if told is None:
        return ["its log is not shipped"] if service["image"].startswith("sluice-") else []
    published = {
        match[1]
        for one in services.values()
        for port in one.get("ports", [])
        if port.endswith("/udp") and (match := _PORT.fullmatch(port))
    }
    return [] if told.rpartition(":")[2] in published else [f"nobody listens at {told}"]


def _unused(parsed: Mapping[str, Any]) -> list[str]:
    """Declared and mounted by nobody: left over, or a mistyped name."""
    services = parsed["services"].values()
    volumes = {volume.split(":")[0] for one in services for volume in one.get("volumes", [])}
    secrets = {source for one in services for source, _ in _given(one)}
    return [
        *(f"volume {one} is used by nobody" for one in parsed["volumes"] if one not in volumes),
        *(f"secret {one} is used by nobody" for one in parsed["secrets"] if one not in secrets),
    ]


def of_size(folder: Path, size: str) -> dict[str, Any]:
    """compose.yaml as one size has it: values set, and the services of other profiles left out."""
    values = read_env_file(folder / f"{size}.env")
    text = substituted((folder / "compose.yaml").read_text(), values)
    parsed: dict[str, Any] = yaml.safe_load(text)
    profile = values["COMPOSE_PROFILES"]
    for name, service in list(parsed["services"].items()):
        if profile not in service.pop("profiles", [profile]):
            del parsed["services"][name]
    return parsed


def main() -> int:
    """Print it, for a judge who knows no env files."""
    print(yaml.safe_dump(of_size(Path(__file__).parent, sys.argv[1]), sort_keys=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
