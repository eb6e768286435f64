"""What `make check-deploy` looks for in a rendered chart is seen, fault by fault."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from deploy.helm.checking import complaints
from deploy.helm.native import OTHERS
from deploy.local.site import ROOT
from tests.deploy import environment

GOOD = """
apiVersion: apps/v1
kind: Deployment
metadata: { name: sale-edge }
spec:
  replicas: 2
  template:
    metadata: { labels: { app.kubernetes.io/component: edge } }
    spec:
      terminationGracePeriodSeconds: 40
      securityContext: { runAsNonRoot: true }
      containers:
        - name: edge
          securityContext: { readOnlyRootFilesystem: true }
          env:
            - { name: SLUICE_CONTROL_PLANE_URL, value: "http://c:8000" }
            - { name: SLUICE_GATEWAY_URL, value: "http://g:8080" }
            - name: SLUICE_SNAPSHOT_KEY
              valueFrom: { secretKeyRef: { name: s, key: SLUICE_SNAPSHOT_KEY } }
            - name: SLUICE_INTERNAL_TOKEN
              valueFrom: { secretKeyRef: { name: s, key: SLUICE_INTERNAL_TOKEN } }
            - name: SLUICE_CHECK_KEY
              valueFrom: { secretKeyRef: { name: s, key: SLUICE_CHECK_KEY } }
            - name: SLUICE_MONITORING_TOKEN
              valueFrom: { secretKeyRef: { name: s, key: SLUICE_MONITORING_TOKEN } }
          ports: [{ name: shop, containerPort: 8700 }]
          lifecycle: { preStop: { exec: { command: [sleep, "10"] } } }
          volumeMounts: [{ name: published, mountPath: /srv/published }]
      volumes: [{ name: published, persistentVolumeClaim: { claimName: sale-published } }]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: sale-published }
---
apiVersion: v1
kind: Service
metadata: { name: sale-edge }
spec:
  selector: { app.kubernetes.io/component: edge }
  ports: [{ port: 8700, targetPort: shop }]
"""
AUTOSCALER = {
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "sale-edge"},
    "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "sale-edge"}},
}
Objects = list[dict[str, Any]]


def _container(objects: Objects) -> dict[str, Any]:
    container: dict[str, Any] = objects[0]["spec"]["template"]["spec"]["containers"][0]
    return container


def _objects() -> Objects:
    return list(yaml.safe_load_all(GOOD))


FAULTS: dict[str, tuple[Callable[[Objects], object], str]] = {
    "a variable nobody reads": (
        lambda objects: _container(objects)["env"].append(
            {"name": "SLUICE_CHEK_KEY", "value": "x"}
        ),
        "Deployment sale-edge: nobody reads SLUICE_CHEK_KEY",
    ),
    "a variable left out": (
        lambda objects: _container(objects)["env"].pop(1),
        "Deployment sale-edge: is not told SLUICE_GATEWAY_URL",
    ),
    "a key that the Secret has not": (
        lambda objects: _container(objects)["env"][2]["valueFrom"]["secretKeyRef"].update(key="K"),
        "Deployment sale-edge: the Secret has no key K",
    ),
    "root": (
        lambda objects: objects[0]["spec"]["template"]["spec"].update(securityContext={}),
        "Deployment sale-edge: may run as root",
    ),
    "a root that can be written": (
        lambda objects: _container(objects).update(securityContext={}),
        "Deployment sale-edge: may write to its root",
    ),
    "a claim of nobody": (
        lambda objects: objects.pop(1),
        "Deployment sale-edge: nobody makes the claim sale-published",
    ),
    "a mount of nothing": (
        lambda objects: _container(objects)["volumeMounts"][0].update(name="pages"),
        "Deployment sale-edge: mounts pages, which is no volume",
    ),
    "killed while it waits to end": (
        lambda objects: objects[0]["spec"]["template"]["spec"].update(
            terminationGracePeriodSeconds=10
        ),
        "Deployment sale-edge: waits 10 s before it ends, and is killed after 10",
    ),
    "a Service without pods": (
        lambda objects: objects[2]["spec"]["selector"].update({"app": "edge"}),
        "Service sale-edge: selects no pod",
    ),
    "a port nobody opens": (
        lambda objects: objects[2]["spec"]["ports"][0].update(targetPort="http"),
        "Service sale-edge: no pod of it opens http",
    ),
    "a scaler that the chart fights": (
        lambda objects: objects.append(AUTOSCALER),
        "HorizontalPodAutoscaler sale-edge: its Deployment says replicas, too",
    ),
    "a name twice": (
        lambda objects: objects.append(objects[2]),
        "Service sale-edge is there twice",
    ),
}


def test_what_is_right_is_right() -> None:
    assert complaints(_objects(), environment.known()) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_it_names_what_is_wrong(fault: str) -> None:
    breaking, said = FAULTS[fault]
    objects = _objects()
    breaking(objects)
    assert said in complaints(objects, environment.known())


def test_kubernetes_schema_is_asked_about_its_own_objects_only() -> None:
    assert "keda.sh/v1alpha1".startswith(OTHERS)
    assert not "apps/v1".startswith(OTHERS)


RULES = {"kind": "PrometheusRule", "metadata": {"name": "sale-rules"}}
MONITOR = {
    "kind": "ServiceMonitor",
    "metadata": {"name": "sale-metrics"},
    "spec": {"selector": {"matchLabels": {"sluice/kind": "metrics"}}},
}


@pytest.mark.parametrize("spec", [None, {"groups": []}, {"groups": [{"name": "x", "rules": []}]}])
def test_rules_that_are_none_are_seen(spec: Any) -> None:
    assert complaints([RULES | {"spec": spec}], []) == ["PrometheusRule sale-rules: has no rules"]


def test_a_monitor_of_nothing_is_seen() -> None:
    service = {"kind": "Service", "metadata": {"name": "s", "labels": {}}, "spec": {"ports": []}}
    said = "ServiceMonitor sale-metrics: selects no Service that shows figures"
    assert said in complaints([MONITOR], [])
    service["spec"] = {"selector": {}, "ports": []}
    assert said in complaints([MONITOR, service], [])


def test_the_chart_has_the_very_rules_of_the_local_stack() -> None:
    charts = sorted((ROOT / "deploy/helm/sluice/rules").iterdir())
    ours = sorted((ROOT / "deploy/prometheus").glob("*.rules.yml"))
    assert [one.resolve() for one in charts] == ours
