"""Lists: which entities are shown, in pages, and what is recorded of a list that was read.

It can turn filters into conditions of SQL, read a page by offset, and describe the parameters of a list over HTTP. It
knows no table: a room's store names tables and columns.
"""

from blazon.listing.filters import ListFilter, StatusFilter, Visibility, visibility_filters
from blazon.listing.listed import Listed, listed, listed_fields
from blazon.listing.offsets import page
from blazon.listing.query import FilterQuery, metadata_filter
from blazon.listing.where import Where

__all__ = [
    "FilterQuery",
    "ListFilter",
    "Listed",
    "StatusFilter",
    "Visibility",
    "Where",
    "listed",
    "listed_fields",
    "metadata_filter",
    "page",
    "visibility_filters",
]
