"""What can be set about the garden."""

from typing import Annotated

from msgspec import Meta, Struct

from blazon.settings import LISTEN, Positive, is_listen, secret_meta, text_meta

__all__ = ["GardenSettings"]


class GardenSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The garden."""

    most: Annotated[Positive, Meta(description="Most plants there is room for.")] = 3
    gate: Annotated[str, text_meta("Address of the gate, host:port.", LISTEN, is_listen)] = "127.0.0.1:0"
    certificate: Annotated[str, Meta(description="Path of the certificate of the gate and its key, in PEM.")] = ""
    key: Annotated[str, secret_meta("What opens the gate.")] = ""
