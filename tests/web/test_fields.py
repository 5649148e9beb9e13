"""Fields and parameters of the wrong type, for every route of the document: refused by name, and nothing happens."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.running import Running
from tests.streams import Stream
from tests.web.support import Operation, is_clear

VALUES: dict[str, list[Any]] = {
    "string": ["text"],
    "integer": [0, -1, 10**30],
    "number": [1.5],
    "boolean": [True, False],
    "array": [[], [[]], [None]],
    "object": [{}, {"a": 1}],
}
"""Values by their JSON type. `null` is as if the field were not there."""

MEMBERS: list[list[Any]] = [[1], [None], ["a", {}], [[]], [True]]
LONG = "x" * 6000

BAD_NUMBERS = [
    "",
    "x",
    "1x",
    "+1",
    " 1",
    "1 ",
    "0x1",
    "1,2",
    "1_0",
    "١",
    "NaN",
    "inf",
    "-1",
    "9" * 40,
    "1.5",
    "[]",
    LONG,
]
BAD_BOOLEANS = ["", "x", "yes", "2", "-1", "truefalse", LONG]


def nested(place: tuple[str, ...], value: Any) -> Any:
    """A body with one field, which may stand within others."""
    for name in reversed(place):
        value = [value] if name == "[0]" else {name: value}
    return value


def needs_nothing(operation: Operation) -> bool:
    """Whether something is made of a body in which nothing is said, or one text is: things have no field they need."""
    return operation.path in ("/things", "/things/bulk", "/channels/bulk")


async def test_fields_of_the_wrong_type(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    tried = 0
    async with stream.recorded() as events:
        for operation in routes:
            for place, schema in operation.fields() if operation.takes_body else ():
                for kind, values in VALUES.items():
                    if kind in operation.kinds(schema) or (kind == "integer" and "number" in operation.kinds(schema)):
                        continue
                    for value in values:
                        tried += 1
                        answer = await blazon.call(operation.method, operation.at(), nested(place, value))
                        is_clear(answer, 400)
                        assert answer.reason.startswith(".".join(place)), (str(operation), place, value)
    assert events == []
    assert tried > 100


async def test_members_of_lists_of_the_wrong_type(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    tried = 0
    async with stream.recorded() as events:
        for operation in routes:
            for place, schema in operation.fields() if operation.takes_body else ():
                if "array" in operation.kinds(schema):
                    for value in MEMBERS:
                        tried += 1
                        answer = await blazon.call(operation.method, operation.at(), nested(place, value))
                        is_clear(answer, 400)
                        assert answer.reason.startswith(".".join(place))
    assert events == []
    assert tried > 10


async def test_words_that_are_not_on_the_list(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    tried = 0
    async with stream.recorded() as events:
        for operation in routes:
            for place, schema in operation.fields() if operation.takes_body else ():
                for choice in schema.get("anyOf", [schema]):
                    if "enum" not in operation.schemas.get(choice.get("$ref", "").rpartition("/")[2], {}):
                        continue
                    for word in ("", "none", "ENABLED", "enabled ", "\u0435nabled", LONG):
                        tried += 1
                        is_clear(await blazon.call(operation.method, operation.at(), nested(place, word)), 400)
    assert events == []
    assert tried > 10


async def test_hostile_text_is_never_an_error_of_ours(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    """With the other fields missing; what each route makes of long or odd text is tested where the route is."""
    texts = (
        LONG,
        "\x01\x7f",
        "\u202e\ufeff",
        "😀" * 300,
        "'; DROP TABLE users; --",
        "%00%n%s",
        "${jndi:x}",
        "../../etc",
    )
    async with stream.recorded() as events:
        for operation in routes:
            for place, schema in operation.fields() if operation.takes_body else ():
                if "string" in operation.kinds(schema):
                    for text in texts:
                        answer = await blazon.call(operation.method, operation.at(), nested(place, text))
                        named = place == ("name",) and operation.path in ("/groups", "/channels")
                        if not named and not needs_nothing(operation):  # these may have such a name
                            is_clear(answer)
                        assert answer.status < 500
    assert {event.operation for event in events} <= {"group.create", "thing.create", "channel.create"}


@pytest.mark.parametrize("body", [{}, {"unknown": 1}])
async def test_nothing_given(blazon: Running, stream: Stream, routes: list[Operation], body: Any) -> None:
    async with stream.recorded() as events:
        for operation in routes:
            if operation.takes_body and not needs_nothing(operation):
                nothing = {name: None for (name, *_), _ in operation.fields()}
                for given in (body, {**body, **nothing}):
                    is_clear(await blazon.call(operation.method, operation.at(), given), 400, 404)
    assert events == []


def hostile(schema: dict[str, Any]) -> list[str]:
    """Values, percent-encoded, that a parameter of the query cannot have."""
    kind = schema.get("type")
    if kind == "integer":
        beyond = [str(schema["minimum"] - 1), str(schema["maximum"] + 1)]
        signed = ["-1"] if schema["minimum"] < 0 else []
        return [quote(value) for value in [*BAD_NUMBERS, *beyond] if value not in signed]
    if kind == "boolean":
        return [quote(value) for value in BAD_BOOLEANS]
    words = ["none", "ENABLED", quote(LONG)] if "enum" in schema else []
    return [*words, "%00", "a%00b", "%FF", "%ED%A0%80", "%C0%AF", "%E2%82"]


async def test_parameters(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    tried = 0
    async with stream.recorded() as events:
        for operation in routes:
            for name, schema in operation.query.items():
                for value in hostile(schema):
                    tried += 1
                    answer = await blazon.call(operation.method, f"{operation.at()}?{name}={value}")
                    is_clear(answer, 400)
                    assert answer.reason.startswith("invalid query parameters"), (name, value[:40], answer.body)
    assert events == []
    assert tried > 300


async def test_parameters_that_are_there_twice(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    async with stream.recorded() as events:
        for operation in routes:
            for name, schema in operation.query.items():
                if schema.get("type") == "array":  # a list is there as often as it likes
                    continue
                for query in (
                    f"{name}=1&{name}=1",
                    f"{name}=&{name}=",
                    f"{name}&{name}",
                    f"{name}=1&%{ord(name[0]):x}{name[1:]}=2",
                ):
                    answer = await blazon.call(operation.method, f"{operation.at()}?{query}")
                    is_clear(answer, 400)
                    assert "twice" in answer.reason
    assert events == []


async def test_empty_words_ask_for_nothing(blazon: Running, routes: list[Operation]) -> None:
    for operation in routes:
        for name, schema in operation.query.items():
            if schema.get("type") not in ("integer", "boolean"):
                for query in (f"{name}=", name):
                    answer = await blazon.call(operation.method, f"{operation.at(blazon.admin.id)}?{query}")
                    assert answer.status in (200, 404), (str(operation), answer.body)


async def test_queries_that_are_no_queries(blazon: Running, stream: Stream, routes: list[Operation]) -> None:
    many = "&".join(f"p{number}=1" for number in range(65))
    listing = next(operation for operation in routes if str(operation) == "GET /users")
    async with stream.recorded() as events:
        for query in (many, "%FF=1", "%", "%zz=%FF", "a=%ED%A0%80"):
            if query != "%":
                is_clear(await blazon.call("GET", f"{listing.path}?{query}"), 400)
    assert events == []
    for query in (
        "",
        "&",
        "&&=&",
        "%",
        "%zz",
        "a=b=c",
        ";",
        "limit;=3",
        "#limit=0",
        "?",
        "unknown=%26",
        "a[]=1&a[]=2"[:6],
    ):
        assert (await blazon.call("GET", f"/users?{query}")).status == 200, query


async def test_every_parameter_has_its_bounds_in_the_document(routes: list[Operation]) -> None:
    for operation in routes:
        for name, schema in operation.query.items():
            assert schema.get("type") in ("integer", "boolean", "string", "array") or "enum" in schema, (
                str(operation),
                name,
            )
            if schema.get("type") == "integer":
                assert {"minimum", "maximum", "default"} <= set(schema), (str(operation), name)
