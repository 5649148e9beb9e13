"""When an entity was made, when it was changed and by whom, as the wires show it (RFC 3339)."""

from typing import Any

from blazon.clock import rfc3339
from blazon.log import Fields, Record

__all__ = ["seen_stamps", "stamps", "status_fields"]


def stamps(record: Record, created_at: int) -> Fields:
    """When it was made, and, if that was before this event, when and by whom it was changed: now."""
    if created_at == 0:
        return {"created_at": rfc3339(record.time)}
    return {
        "created_at": rfc3339(created_at),
        "updated_at": rfc3339(record.time),
        "updated_by": record.actor,
    }


def seen_stamps(data: Any) -> Fields:
    """When what was read was made, and changed if it was."""
    fields: Fields = {"created_at": rfc3339(data.created_at)}
    if data.updated_at:
        fields["updated_at"] = rfc3339(data.updated_at)
        fields["updated_by"] = data.updated_by
    return fields


def status_fields(record: Record, data: Any) -> Fields:
    """What the wires show of something that was enabled or disabled."""
    return {
        "id": data.id,
        "status": data.status.value,
        "updated_at": rfc3339(record.time),
        "updated_by": record.actor,
    }
