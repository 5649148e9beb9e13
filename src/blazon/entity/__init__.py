"""What nouns of every room have in common: status, names, ids, tags, metadata, and who changed them when.

It can check such fields, show them in events and answers, and put them into columns. It does not know what an entity
is: the room does, and declares its own structs.
"""

from blazon.entity import rules
from blazon.entity.appliers import by_name, text_of
from blazon.entity.bodies import GivenStatus, OwnerBody, TagsBody, UpdateBody, etagged, metadata_body
from blazon.entity.stamps import seen_stamps, stamps, status_fields
from blazon.entity.status import STATUSES, Status

__all__ = [
    "STATUSES",
    "GivenStatus",
    "OwnerBody",
    "Status",
    "TagsBody",
    "UpdateBody",
    "by_name",
    "etagged",
    "metadata_body",
    "rules",
    "seen_stamps",
    "stamps",
    "status_fields",
    "text_of",
]
