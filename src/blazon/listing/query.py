"""The parameters of a list over HTTP."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from blazon.errors import Malformed
from blazon.listing.filters import StatusFilter
from blazon.log import canonical
from blazon.web import Page, read_json

__all__ = ["FilterQuery", "metadata_filter"]


class FilterQuery(Page, kw_only=True, frozen=True):
    """The parameters of every list."""

    status: Annotated[StatusFilter, Meta(description="Which states to show.")] = StatusFilter.ENABLED
    name: Annotated[str, Meta(description="Only those with exactly this name.")] | None = None
    metadata: Annotated[str, Meta(description="A JSON object the metadata must contain.")] | None = None


_object = msgspec.json.Decoder(dict[str, Any])


def metadata_filter(text: str | None) -> str | None:
    """The metadata parameter as canonical JSON text. Raises Malformed when it is not a JSON object."""
    if text is None:
        return None
    try:
        return bytes(canonical(read_json(text.encode(), _object))).decode()
    except Malformed:
        raise Malformed('invalid query parameters: metadata must be a JSON object, such as {"key":"value"}') from None
