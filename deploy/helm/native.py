"""`python -m deploy.helm.native RENDERED INTO`: Kubernetes' own objects of a rendered chart.

A ScaledObject (KEDA) and a PodMonitor (Prometheus operator) have their schema in their operator;
how many were left out is printed.
"""

import sys
from pathlib import Path

import yaml

OTHERS = ("keda.sh/", "monitoring.coreos.com/")


def main() -> int:
    """Copy what is Kubernetes'."""
    objects = [one for one in yaml.safe_load_all(Path(sys.argv[1]).read_text()) if one]
    ours = [one for one in objects if not one["apiVersion"].startswith(OTHERS)]
    Path(sys.argv[2]).write_text(yaml.safe_dump_all(ours))
    left_out = sorted({one["kind"] for one in objects} - {one["kind"] for one in ours})
    print(f"{len(ours)} objects for the schema; left out: {', '.join(left_out) or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
