"""Events → tables, for the table of groups and the table of policies of one use of the pattern."""

from collections.abc import Callable, Iterable
from typing import Any

from blazon.access import mask_of
from blazon.entity import text_of
from blazon.grouping.events import Grouping, GroupState, PolicyState
from blazon.log import Apply, EventType, Record
from blazon.storage import Statement

__all__ = ["appliers_of"]


def appliers_of(grouping: Grouping) -> dict[EventType[Any], Apply]:
    """The appliers of groups and policies."""
    change_policy = _change_policy(grouping.policy.table)
    return {
        grouping.create: _create_group(grouping.group.table),
        grouping.update: _change_group(grouping.group.table),
        grouping.remove: _change_group(grouping.group.table),
        grouping.policy_add: _add_policy(grouping.policy.table, change_policy),
        grouping.policy_update: change_policy,
        grouping.policy_delete: _delete_policy(grouping.policy.table),
    }


_GroupApply = Callable[[Record, GroupState], Iterable[Statement]]
_PolicyApply = Callable[[Record, PolicyState], Iterable[Statement]]


def _create_group(table: str) -> _GroupApply:
    sql = (
        f"INSERT INTO {table} (id, owner, name, description, parent, metadata, status, created_at, updated_at,"
        " updated_by, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '', ?)"
    )

    def apply(record: Record, state: GroupState) -> Iterable[Statement]:
        yield Statement(
            sql,
            (
                state.id,
                state.owner,
                state.name,
                state.description,
                state.parent,
                text_of(state.metadata),
                state.status.value,
                record.time,
                record.sequence,
            ),
        )

    return apply


def _change_group(table: str) -> _GroupApply:
    sql = (
        f"UPDATE {table} SET owner = ?, name = ?, description = ?, parent = ?, metadata = ?, status = ?,"
        " updated_at = ?, updated_by = ?, revision = ? WHERE id = ?"
    )

    def apply(record: Record, state: GroupState) -> Iterable[Statement]:
        yield Statement(
            sql,
            (
                state.owner,
                state.name,
                state.description,
                state.parent,
                text_of(state.metadata),
                state.status.value,
                record.time,
                record.actor,
                record.sequence,
                state.id,
            ),
        )

    return apply


def _add_policy(table: str, change: _PolicyApply) -> _PolicyApply:
    sql = (
        f"INSERT INTO {table} (subject, object, actions, mask, owner, created_at, updated_at, updated_by, revision)"
        " VALUES (?, ?, ?, ?, ?, ?, 0, '', ?)"
    )

    def apply(record: Record, state: PolicyState) -> Iterable[Statement]:
        if state.created_at:  # added again: the actions are replaced, owner and creation stay (fact sheet §9.2)
            yield from change(record, state)
            return
        yield Statement(
            sql,
            (
                state.subject,
                state.object,
                ",".join(state.actions),
                mask_of(*state.actions),
                state.owner,
                record.time,
                record.sequence,
            ),
        )

    return apply


def _change_policy(table: str) -> _PolicyApply:
    sql = (
        f"UPDATE {table} SET actions = ?, mask = ?, updated_at = ?, updated_by = ?, revision = ?"
        " WHERE subject = ? AND object = ?"
    )

    def apply(record: Record, state: PolicyState) -> Iterable[Statement]:
        yield Statement(
            sql,
            (
                ",".join(state.actions),
                mask_of(*state.actions),
                record.time,
                record.actor,
                record.sequence,
                state.subject,
                state.object,
            ),
        )

    return apply


def _delete_policy(table: str) -> _PolicyApply:
    sql = f"DELETE FROM {table} WHERE subject = ? AND object = ?"

    def apply(_: Record, state: PolicyState) -> Iterable[Statement]:
        yield Statement(sql, (state.subject, state.object))

    return apply
