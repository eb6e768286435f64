"""Every rule of the comparison, in the order in which a report shows them.

Ibis expressions over the exported tables: they run unchanged on DuckDB and on Spark.
"""

from control_plane.reconciliation.rules import amounts, arrival, movements
from control_plane.reconciliation.rules.rule import (
    EXPIRE,
    GRANT,
    RECLAIM,
    RELAY,
    RULES,
    TELL,
    Cut,
    Rule,
)

assert amounts and arrival and movements

__all__ = ["EXPIRE", "GRANT", "RECLAIM", "RELAY", "RULES", "TELL", "Cut", "Rule"]
