"""The Go client of users and things of September 2023: what it sends, which status it demands, how it reads answers.

Its calls are those of the SDK that its command line uses too (fact sheet §16). A request is written as Go's client
writes it: `Content-Type: application/json` with every method, twice where the SDK sets the header itself, a length of
0 without a body, and every field of a struct that is not left out when it is empty. An answer is read as
`json.Unmarshal` reads it into the SDK's structs: a field of another type, or a time not in RFC 3339, is an error.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from tests.running import Answer, Running
from tests.web.support import request, said

NEVER: Final = "0001-01-01T00:00:00Z"
"""A `time.Time` nobody set."""

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")

Shape = Mapping[str, Any]
"""A struct: the kind of each field. A kind is `string`, `time`, `int`, `uint`, `bool`, `map`, a struct, or a list."""

CREDENTIALS: Final[Shape] = {"identity": "string", "secret": "string"}
USER: Final[Shape] = {
    "id": "string",
    "name": "string",
    "credentials": CREDENTIALS,
    "tags": ["string"],
    "owner": "string",
    "metadata": "map",
    "created_at": "time",
    "updated_at": "time",
    "status": "string",
    "role": "string",
}
THING: Final[Shape] = {name: kind for name, kind in USER.items() if name != "role"}
GROUP: Final[Shape] = {
    "id": "string",
    "owner_id": "string",
    "parent_id": "string",
    "name": "string",
    "description": "string",
    "metadata": "map",
    "level": "int",
    "path": "string",
    "children": [{"id": "string", "level": "int"}],
    "created_at": "time",
    "updated_at": "time",
    "status": "string",
}
POLICY: Final[Shape] = {
    "owner_id": "string",
    "subject": "string",
    "object": "string",
    "actions": ["string"],
    "external": "bool",
    "created_at": "time",
    "updated_at": "time",
}
TOKEN: Final[Shape] = {"access_token": "string", "refresh_token": "string", "access_type": "string"}
ACCESS: Final[Shape] = {"thing_id": "string", "authorized": "bool"}
HEALTH: Final[Shape] = dict.fromkeys(
    ("status", "version", "commit", "description", "build_time", "instance_id"), "string"
)


def page_of(name: str, shape: Shape) -> Shape:
    """A page of what the SDK calls by a name."""
    return {name: [shape], "total": "uint", "offset": "uint", "limit": "uint"}


def user(**given: Any) -> dict[str, Any]:
    """A user, or a thing, as `json.Marshal` writes it: fields with `omitempty` only when they are not empty."""
    return {"id": "", "credentials": {}, "created_at": NEVER, "updated_at": NEVER, **given}


def group(**given: Any) -> dict[str, Any]:
    """A group as `json.Marshal` writes it: it leaves nothing out."""
    texts = dict.fromkeys(("id", "owner_id", "parent_id", "name", "description", "path", "status"), "")
    return {**texts, "metadata": None, "level": 0, "children": None, "created_at": NEVER, "updated_at": NEVER, **given}


def policy(**given: Any) -> dict[str, Any]:
    """A policy as `json.Marshal` writes it."""
    return {
        "owner_id": "",
        "subject": "",
        "object": "",
        "actions": None,
        "created_at": NEVER,
        "updated_at": NEVER,
    } | given


class GoClient:
    """Calls a running Blazon as the SDK does."""

    def __init__(self, blazon: Running, token: str) -> None:
        self._blazon = blazon
        self.token = token

    async def call(
        self,
        method: str,
        path: str,
        status: int,
        body: Any = None,
        *,
        shape: Shape | None = None,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One call, which must be answered with a status, and read into a struct when the SDK does so."""
        answer = await self.raw(method, path, body, authorization=authorization, headers=headers)
        assert answer.status == status, (method, path, answer.status, answer.body)
        if shape is None:
            return None
        read = answer.json
        unmarshal(read, shape, "answer")
        return read

    async def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        authorization: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call, whatever comes of it."""
        sent = [("User-Agent", "Go-http-client/1.1"), ("Content-Type", "application/json"), *(headers or {}).items()]
        authorization = f"Bearer {self.token}" if authorization is None else authorization
        if authorization:
            sent.append(("Authorization", authorization))
        data = b"" if body is None else json.dumps(body).encode()
        if data or method != "GET":
            sent.append(("Content-Length", str(len(data))))
        return await said(self._blazon, request(method, path, *sent, ("Accept-Encoding", "gzip"), body=data))


def unmarshal(value: Any, kind: Any, place: str) -> None:
    """Reads a value as Go does. Null, and a field that is not there, leave the zero value; others are passed over."""
    if value is None:
        return
    if isinstance(kind, list):
        assert isinstance(value, list), place
        for number, each in enumerate(value):
            unmarshal(each, kind[0], f"{place}[{number}]")
    elif isinstance(kind, Mapping):
        assert isinstance(value, dict), place
        for name, inner in kind.items():
            unmarshal(value.get(name), inner, f"{place}.{name}")
    elif kind == "time":
        assert isinstance(value, str), place
        assert _TIME.fullmatch(value), (place, value)
    else:
        types = {"string": str, "int": int, "uint": int, "bool": bool, "map": dict}
        assert type(value) is types[kind], (place, value)
        assert kind != "uint" or value >= 0, (place, value)
