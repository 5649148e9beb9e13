"""What requests and connections may cost, in bytes and seconds."""

import msgspec

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True):
    """The limits of a server. Bytes and seconds."""

    head_bytes: int = 16 * 1024
    head_seconds: float = 10.0
    body_bytes: int = 1024 * 1024
    body_seconds: float = 20.0
    pending_bytes: int = 32 * 1024 * 1024
    """What the bodies of all unanswered requests together may take. The first 16 KiB of each are not counted."""
    request_seconds: float = 30.0
    unread_seconds: float = 30.0
    """How long a client may read nothing while a response waits for it."""
    unread_bytes: int = 32 * 1024 * 1024
    """What all clients together may leave unread of large responses."""
    keep_alive_seconds: float = 30.0
    stop_seconds: float = 5.0
