"""JSON containment for SQLite, as PostgreSQL has it."""

import json

__all__ = ["contains", "json_contains"]


def contains(document: object, wanted: object) -> bool:
    """PostgreSQL's `@>` for JSON values (PostgreSQL 15 documentation, §8.14.3)."""
    if isinstance(wanted, dict):
        return isinstance(document, dict) and all(
            key in document and contains(document[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(document, list):
            return False
        return all(any(contains(have, want) for have in document) for want in wanted)
    if isinstance(document, list | dict):
        return False
    # In Python True == 1; in JSON they differ.
    return isinstance(wanted, bool) == isinstance(document, bool) and document == wanted


def json_contains(document: str | None, wanted: str | None) -> int:
    """As `contains`, for JSON texts; 0 or 1. The SQL function of this name."""
    if document is None or wanted is None:
        return 0
    have, want = json.loads(document), json.loads(wanted)
    # The one exception of `@>`: an array at the top contains a bare primitive.
    if isinstance(have, list) and not isinstance(want, list | dict):
        want = [want]
    return int(contains(have, want))
