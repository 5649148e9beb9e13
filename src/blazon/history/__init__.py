"""What the log makes possible: making every table anew from it, and proving that the live ones equal it.

It can rebuild tables in place, and fold the log into a scratch database and compare. It adds nothing to the log.
"""

from blazon.history.rebuild import Difference, Folded, compare, fold, rebuild, verify_tables

__all__ = ["Difference", "Folded", "compare", "fold", "rebuild", "verify_tables"]
