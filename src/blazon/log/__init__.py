"""The event log: what happened, in order, for ever.

It can record events together with the change of state they stand for (`Log.commit`), note observations without holding
up the caller (`Log.observe`), read and follow the log by position, verify it, and trim observations. It knows no event
type of its own and no wire; it does not decide anything.
"""

from blazon.log.canonical import canonical
from blazon.log.chain import Verified, verify
from blazon.log.follower import CURSOR, Follower, cursor_position, move_cursor
from blazon.log.listeners import Memory
from blazon.log.log import Log
from blazon.log.metadata import METADATA_BYTES, MetadataRule
from blazon.log.operation import Apply, Basis, Decision, Operation, Stale, joined
from blazon.log.position import START, Position
from blazon.log.procedure import Decide, Decided, Procedure, Steps
from blazon.log.reader import Pulse, Reader
from blazon.log.record import GENESIS, Event, Record
from blazon.log.rewind import Rewind
from blazon.log.states import entity_of, state_of
from blazon.log.trim import trim
from blazon.log.types import Catalogue, EventName, EventType, Fields, FieldValue, Kind, Service, SubjectKind
from blazon.log.writer import Writer
from blazon.storage import MigrationSet

__all__ = [
    "CURSOR",
    "GENESIS",
    "METADATA_BYTES",
    "MIGRATIONS",
    "START",
    "Apply",
    "Basis",
    "Catalogue",
    "Decide",
    "Decided",
    "Decision",
    "Event",
    "EventName",
    "EventType",
    "FieldValue",
    "Fields",
    "Follower",
    "Kind",
    "Log",
    "Memory",
    "MetadataRule",
    "Operation",
    "Position",
    "Procedure",
    "Pulse",
    "Reader",
    "Record",
    "Rewind",
    "Service",
    "Stale",
    "Steps",
    "SubjectKind",
    "Verified",
    "Writer",
    "canonical",
    "cursor_position",
    "entity_of",
    "joined",
    "move_cursor",
    "state_of",
    "trim",
    "verify",
]

MIGRATIONS = MigrationSet("log", "blazon.log")
"""The log's own tables. They are not made from events, so a rebuild leaves them alone."""
