"""From an entity to the state an event carries, and back."""

from typing import Any, TypeVar

import msgspec

from blazon.log.record import Record

__all__ = ["entity_of", "state_of"]

E = TypeVar("E", bound=msgspec.Struct)
S = TypeVar("S", bound=msgspec.Struct)


def state_of(kind: type[S], entity: msgspec.Struct, **changes: Any) -> S:
    """The state of an entity with some changes: the fields the two have in common."""
    fields = {name: getattr(entity, name) for name in kind.__struct_fields__}
    return kind(**{**fields, **changes})


def entity_of(kind: type[E], record: Record, state: Any) -> E:
    """The entity as a record left it, which made it when the state's `created_at` is 0, and else changed it."""
    created = state.created_at == 0
    fields = {name: getattr(state, name) for name in state.__struct_fields__}
    fields["created_at"] = state.created_at or record.time
    return kind(
        **fields,
        updated_at=0 if created else record.time,
        updated_by="" if created else record.actor,
        revision=record.sequence,
    )
