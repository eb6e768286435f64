"""Figures of the edge worker: of one isolate, which under workerd is all of it."""

from control_plane.metrics.metric import Metric, counter, gauge

EDGE: tuple[Metric, ...] = (
    counter(
        "sluice_edge_requests_total",
        "requests",
        "Answers by kind of address and class of status.",
        labels=("route", "status"),
    ),
    counter(
        "sluice_edge_entries_total",
        "requests",
        "Requests for an entry token by outcome.",
        labels=("outcome",),
    ),
    gauge("sluice_edge_snapshot_version", "version", "Snapshot that the edge runs; 0 for none."),
)
