"""What the tests of HTTP share: the routes as the document declares them, and a client that says what it likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.running import Answer, Running

PATIENCE = 15.0
"""Seconds a test waits for what must happen."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class Operation(msgspec.Struct, frozen=True):
    """One method of one path, as the OpenAPI document declares it."""

    method: str
    path: str
    declared: dict[str, Any]
    schemas: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def takes_body(self) -> bool:
        """Whether it takes a body of JSON."""
        return "application/json" in self.declared.get("requestBody", {}).get("content", {})

    @property
    def needs_token(self) -> bool:
        return {} not in self.declared["security"] and bool(self.declared["security"])

    @property
    def parameters(self) -> list[str]:
        return [parameter["name"] for parameter in self.declared["parameters"] if parameter["in"] == "path"]

    @property
    def query(self) -> dict[str, Any]:
        """The schemas of the query's parameters."""
        return {each["name"]: each["schema"] for each in self.declared["parameters"] if each["in"] == "query"}

    def at(self, value: str = "no-such-id") -> str:
        """The path with a value for each of its parameters."""
        path = self.path
        for name in self.parameters:
            path = path.replace(f"{{{name}}}", value)
        return path

    def fields(self) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """Every field of the body, also those within others: its place and its schema. A list has one member."""
        yield from self._fields(self._body, ())

    @property
    def takes_list(self) -> bool:
        return self.takes_body and self._body.get("type") == "array"

    @property
    def _body(self) -> dict[str, Any]:
        schema: dict[str, Any] = self.declared["requestBody"]["content"]["application/json"]["schema"]
        return schema

    def _fields(self, schema: dict[str, Any], place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        for choice in schema.get("anyOf", [schema]):
            if not place and choice.get("type") == "array":
                yield from self._fields(choice["items"], ("[0]",))
            if "$ref" in choice:
                shape = self.schemas[choice["$ref"].rpartition("/")[2]]
                for name, member in shape.get("properties", {}).items():
                    yield (*place, name), member
                    yield from self._fields(member, (*place, name))

    def kinds(self, schema: dict[str, Any]) -> set[str]:
        """The JSON types a schema allows."""
        found = set()
        for choice in schema.get("anyOf", [schema]):
            referred = self.schemas[choice["$ref"].rpartition("/")[2]] if "$ref" in choice else choice
            found.add(referred.get("type", "string" if "enum" in referred else "anything"))
        return found


async def operations(blazon: Running) -> list[Operation]:
    """Every operation of the document."""
    document = (await blazon.call("GET", "/openapi.json")).json
    schemas = document["components"]["schemas"]
    return [
        Operation(method.upper(), path, declared, schemas)
        for path, methods in document["paths"].items()
        for method, declared in methods.items()
    ]


def is_clear(answer: Answer, *statuses: int) -> None:
    """The answer is one of these refusals, and says why."""
    assert answer.status in (statuses or range(400, 500)), (answer.status, answer.body[:300])
    assert answer.headers["Content-Type"] == "application/json"
    said = answer.json
    # The others are those below /api/ca and /api/va.
    assert set(said) in ({"error", "message"}, {"err"}, {"err", "detail"})
    assert all(said.values())


class Wire:
    """A connection on which anything may be said."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def end(self) -> None:
        """Says that nothing more comes."""
        self._writer.write_eof()

    async def answer(self) -> Answer:
        """The next answer."""
        async with asyncio.timeout(PATIENCE):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head[:-4].split("\r\n")
            headers = Folded(
                (name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
            )
            body = await self._reader.readexactly(int(headers.get("Content-Length", "0")))
        return Answer(int(first.split(" ")[1]), headers, body)

    async def closed(self) -> bytes:
        """What comes until the other side closes."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read()


class Folded(dict[str, str]):
    """Headers by name in any case."""

    def __init__(self, pairs: Any) -> None:
        super().__init__((name.lower(), value) for name, value in pairs)

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


@asynccontextmanager
async def wire(blazon: Running) -> AsyncIterator[Wire]:
    """A new connection."""
    parts = urlsplit(blazon.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def request(
    method: str,
    path: str,
    *headers: tuple[str, str],
    body: bytes | Mapping[str, Any] | None = None,
    token: str = "",
) -> bytes:
    """A request as bytes. Headers are sent as given, also twice; a body brings its length and, for a dict, its type."""
    sent = [("Host", "localhost"), *headers]
    if token:
        sent.append(("Authorization", f"Bearer {token}"))
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    if body is not None and not isinstance(body, bytes):
        sent.append(("Content-Type", "application/json"))
    if body is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
        sent.append(("Content-Length", str(len(data))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + data


async def said(blazon: Running, data: bytes) -> Answer:
    """The first answer to some bytes on a connection of their own."""
    async with wire(blazon) as connection:
        await connection.send(data)
        return await connection.answer()
