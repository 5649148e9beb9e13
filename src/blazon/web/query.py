"""Reading the query of a URL into the struct that a route declares."""

from functools import lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from blazon.errors import Malformed
from blazon.web.json import place_first

__all__ = ["query_of"]

Q = TypeVar("Q")

_QUERY_FIELDS: Final = 64
"""Most parameters in a query."""


def query_of(raw: bytes, shape: type[Q]) -> Q:
    """The parameters of a query. Unknown parameters are ignored.

    Raises Malformed if a parameter has a wrong value, or is repeated and not a list.
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS)
    except UnicodeDecodeError:
        raise Malformed("invalid query parameters: the query is not percent-encoded UTF-8") from None
    except ValueError:
        raise Malformed(f"invalid query parameters: there are more than {_QUERY_FIELDS}") from None
    lists = _lists(shape)  # type: ignore[arg-type]
    many = {name: tuple(value for key, value in pairs if key == name and value) for name in lists}
    pairs = [(name, value) for name, value in pairs if name not in lists]
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"invalid query parameters: {twice[:100]!r} is there twice")
    if any("\0" in value for value in (*values.values(), *(each for found in many.values() for each in found))):
        raise Malformed("invalid query parameters: U+0000 is not a character that can be asked for")
    # An empty text is the same as no parameter; an empty number is a mistake.
    texts = _texts(shape)  # type: ignore[arg-type]
    values = {name: value for name, value in values.items() if value or name not in texts}
    try:
        found = msgspec.convert({**values, **many}, shape, strict=False)
    except msgspec.ValidationError as error:
        raise Malformed(f"invalid query parameters: {place_first(str(error))}") from None
    for name, value in values.items():
        if value and getattr(found, name, value) is None:  # msgspec reads the word null as None
            raise Malformed(f"invalid query parameters: {name}: invalid value {value[:100]!r}")
    return found


@lru_cache(maxsize=256)
def _lists(shape: Any) -> frozenset[str]:
    """The names of the parameters that may be repeated."""
    described = msgspec.inspect.type_info(shape)
    assert isinstance(described, msgspec.inspect.StructType)
    return frozenset(
        field.encode_name for field in described.fields if isinstance(_bare(field.type), msgspec.inspect.VarTupleType)
    )


@lru_cache(maxsize=256)
def _texts(shape: Any) -> frozenset[str]:
    """The names of the parameters that are text or one of a list of words."""
    found = set()
    described = msgspec.inspect.type_info(shape)
    assert isinstance(described, msgspec.inspect.StructType)
    for field in described.fields:
        kinds = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
        if any(isinstance(_bare(kind), msgspec.inspect.StrType | msgspec.inspect.EnumType) for kind in kinds):
            found.add(field.encode_name)
    return frozenset(found)


def _bare(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """A type without its description."""
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
