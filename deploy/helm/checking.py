"""`python -m deploy.helm.checking RENDERED…`: what `helm template` wrote, looked at as a whole.

The schema of Kubernetes sees one object at a time. This sees names that nothing answers to: a
selector without pods, a port nobody opens, a variable nobody reads, a claim nobody makes.
Pure but for main: parsed objects in, complaints out.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from deploy.compose.make_secrets import GIVEN, KEYS, PASSWORDS
from deploy.local import environment

Object = Mapping[str, Any]
ADDRESSES = ("SLUICE_SALE_DSN", "SLUICE_INVENTORY_DSN", "SLUICE_WORK_REDIS_URL")
# Made by whoever runs Kubernetes, in every namespace.
RUNS_PODS = ("Deployment", "StatefulSet", "Job")
# What the image or the cluster says instead of the chart.
BY_THE_IMAGE = {"SLUICE_METRICS_ADDRESS", "SLUICE_PUBLISH_DIR", "SLUICE_PROFILE"}
# The demo's alone, and turned off by default.
BY_CHOICE = {"SLUICE_DEMO_PAYMENT_KEYS", "SLUICE_STOCK_STANDBY_REDIS", "SLUICE_PROMETHEUS_URL"}


def complaints(objects: Sequence[Object], known: Iterable[str]) -> list[str]:
    """Everything that is named and not there. `known`: the variables that some process reads."""
    runs = [one for one in objects if one["kind"] in RUNS_PODS]
    found = [what for one in runs for what in _of_pods(one, objects, set(known))]
    for one in objects:
        if one["kind"] in ("Service", "PodDisruptionBudget"):
            found += _selects(one, runs)
        if one["kind"] == "Service":
            found += _ports(one, runs)
        if one["kind"] in ("HorizontalPodAutoscaler", "ScaledObject"):
            found += _scales(one, runs)
        if one["kind"] == "PrometheusRule":
            found += _rules(one)
        if one["kind"] == "ServiceMonitor":
            found += _monitors(one, objects)
    names = [(one["kind"], one["metadata"]["name"]) for one in objects]
    found += [
        f"{kind} {name} is there twice" for kind, name in names if names.count((kind, name)) > 1
    ]
    return found


def _of_pods(one: Object, objects: Sequence[Object], known: set[str]) -> list[str]:
    name, spec = one["metadata"]["name"], one["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    told = {entry["name"] for entry in container.get("env", [])}
    found = [
        f"nobody reads {entry}" for entry in sorted(told - known) if entry.startswith("SLUICE_")
    ]
    found += [
        f"the Secret has no key {entry['valueFrom']['secretKeyRef']['key']}"
        for entry in container.get("env", [])
        if "secretKeyRef" in entry.get("valueFrom", {})
        and entry["valueFrom"]["secretKeyRef"]["key"] not in {*KEYS, *PASSWORDS, *GIVEN, *ADDRESSES}
    ]
    found += _missing(one, told)
    if not spec["securityContext"].get("runAsNonRoot"):
        found.append("may run as root")
    if not container["securityContext"].get("readOnlyRootFilesystem"):
        found.append("may write to its root")
    claims = {
        each["metadata"]["name"] for each in objects if each["kind"] == "PersistentVolumeClaim"
    }
    mounted = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in spec.get("volumes", [])
        if "persistentVolumeClaim" in volume
    }
    found += [f"nobody makes the claim {claim}" for claim in sorted(mounted - claims)]
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    found += [
        f"mounts {mount['name']}, which is no volume"
        for mount in container.get("volumeMounts", [])
        if mount["name"] not in volumes
    ]
    grace, wait = spec.get("terminationGracePeriodSeconds", 30), _pre_stop(container)
    if wait >= grace:
        found.append(f"waits {wait} s before it ends, and is killed after {grace}")
    return [f"{one['kind']} {name}: {what}" for what in found]


def _missing(one: Object, told: set[str]) -> list[str]:
    """What the same process of the local stack is told (deploy/local/environment.py)."""
    component = one["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
    needed = set(environment.NEEDED.get(component.removesuffix("-canary"), ()))
    left = needed - told - BY_THE_IMAGE - BY_CHOICE - set(environment.TUNABLES)
    return [f"is not told {name}" for name in sorted(left)]


def _pre_stop(container: Object) -> int:
    command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
    return int(command[-1]) if command else 0


def _matches(selector: Mapping[str, str], run: Object) -> bool:
    labels = run["spec"]["template"]["metadata"]["labels"]
    return all(labels.get(key) == value for key, value in selector.items())


def _selects(one: Object, runs: Sequence[Object]) -> list[str]:
    selector = one["spec"]["selector"].get("matchLabels", one["spec"]["selector"])
    if any(_matches(selector, run) for run in runs):
        return []
    return [f"{one['kind']} {one['metadata']['name']}: selects no pod"]


def _ports(service: Object, runs: Sequence[Object]) -> list[str]:
    opened = {
        port["name"]
        for run in runs
        if _matches(service["spec"]["selector"], run)
        for port in run["spec"]["template"]["spec"]["containers"][0].get("ports", [])
    }
    return [
        f"Service {service['metadata']['name']}: no pod of it opens {port['targetPort']}"
        for port in service["spec"].get("ports", [])
        if port["targetPort"] not in opened
    ]


def _scales(one: Object, runs: Sequence[Object]) -> list[str]:
    target = one["spec"]["scaleTargetRef"]
    for run in runs:
        if (run["kind"], run["metadata"]["name"]) == (target["kind"], target["name"]):
            if "replicas" in run["spec"]:
                # Each upgrade would set the number back, in the middle of a sale.
                return [f"{one['kind']} {target['name']}: its {run['kind']} says replicas, too"]
            return []
    return [f"{one['kind']} {one['metadata']['name']}: nothing to scale"]


def _rules(one: Object) -> list[str]:
    """As deploy/prometheus has them: an empty file would be no rules, and nobody would hear."""
    groups = (one["spec"] or {}).get("groups", [])
    if groups and all(group["rules"] for group in groups):
        return []
    return [f"PrometheusRule {one['metadata']['name']}: has no rules"]


def _monitors(one: Object, objects: Sequence[Object]) -> list[str]:
    """A Service that it selects, with each of its ports but those of what is switched off."""
    wanted = one["spec"]["selector"]["matchLabels"].items()
    ports = {
        port["name"]
        for service in objects
        if service["kind"] == "Service" and wanted <= service["metadata"]["labels"].items()
        for port in service["spec"]["ports"]
    }
    if {"metrics", "http"} <= ports:
        return []
    return [f"ServiceMonitor {one['metadata']['name']}: selects no Service that shows figures"]


def main() -> int:
    """Print what is wrong; `known` comes from the files that read the environment."""
    readers = (
        "control_plane/config/env.py",
        "workers/runtime/env.py",
        "openresty/gateway/config.lua",
    )
    root = Path(__file__).parents[2]
    known = set(
        re.findall("SLUICE_[A-Z_]+[A-Z]", "".join((root / one).read_text() for one in readers))
    )
    known |= {name for names in environment.NEEDED.values() for name in names}
    code = 0
    for path in sys.argv[1:]:
        objects = [one for one in yaml.safe_load_all(Path(path).read_text()) if one]
        for what in complaints(objects, known):
            print(f"{path}: {what}", file=sys.stderr)
            code = 1
        print(f"{path}: {len(objects)} objects looked at")
    return code


if __name__ == "__main__":
    sys.exit(main())
