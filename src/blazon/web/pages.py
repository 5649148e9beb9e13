"""What is served beside the routes: health, metrics, the OpenAPI document and a page to read it."""

import asyncio
import html
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from blazon import __version__
from blazon.errors import Unavailable
from blazon.health import Health
from blazon.web.answers import Send
from blazon.web.dispatch import Dispatcher, Receive, Resource, Scope
from blazon.web.openapi import document
from blazon.web.route import AnyRoute

__all__ = ["add_pages"]

_TITLE: Final = "Blazon"
_DESCRIPTION: Final = (
    "Device identity and events. Sign in at `/users/tokens/issue` and send the access token as"
    " `Authorization: Bearer <token>`. Every operation is recorded in the event log before it is answered."
)
# A page of ours holds no script and loads nothing.
_PAGE_HEADERS: Final = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
    (b"x-content-type-options", b"nosniff"),
]


class _Check(msgspec.Struct, frozen=True):
    """One part that is in trouble (draft-inadarei-api-health-check §4)."""

    status: str
    output: str


class _Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """The health of the service (draft-inadarei-api-health-check §3, with the fields of the first dialect).

    `status` is `pass`, `warn` when a part named in `checks` is in trouble, or `fail` when no request can be answered.
    """

    status: str
    version: str
    commit: str
    description: str
    build_time: str
    instance_id: str
    checks: Mapping[str, tuple[_Check, ...]] = {}


def add_pages(
    dispatcher: Dispatcher,
    routes: Iterable[AnyRoute],
    registry: CollectorRegistry,
    check: Callable[[], Awaitable[None]],
    health: Health,
    instance: str,
) -> None:
    """Serves `/health`, `/metrics`, `/openapi.json`, `/docs`. `check` raises Unavailable while the database is away."""
    described = document(routes, _TITLE, _DESCRIPTION)
    dispatcher.add_resource("/health", _health(check, health, instance))
    dispatcher.add_resource("/metrics", _metrics(registry))
    openapi = msgspec.json.encode(described)
    dispatcher.add_resource("/openapi.json", _fixed(openapi, [(b"content-type", b"application/json")]))
    dispatcher.add_resource("/docs", _fixed(_page(described).encode(), _PAGE_HEADERS))


def _fixed(body: bytes, headers: list[tuple[bytes, bytes]]) -> Resource:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(send, 200, body, headers)

    return serve


def _health(check: Callable[[], Awaitable[None]], health: Health, instance: str) -> Resource:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        checks: dict[str, tuple[_Check, ...]] = {
            part: (_Check("warn", trouble),) for part, trouble in health.troubles.items()
        }
        status, code = "warn" if checks else "pass", 200
        try:
            await check()
        except Unavailable as error:
            status, code = "fail", 503
            checks["database"] = (_Check("fail", error.reason),)
        answer = _Health(status, __version__, "", "blazon service", "", instance, checks)
        await _answer(send, code, msgspec.json.encode(answer), [(b"content-type", b"application/health+json")])

    return serve


def _metrics(registry: CollectorRegistry) -> Resource:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        body = await asyncio.to_thread(generate_latest, registry)
        await _answer(send, 200, body, [(b"content-type", CONTENT_TYPE_LATEST.encode())])

    return serve


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}
details{border:1px solid #d0d7de;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}b.method{display:inline-block;width:4.5rem}code{font:14px ui-monospace,monospace}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top}
.muted{color:#57606a}
@media(prefers-color-scheme:dark){
body{background:#0d1117;color:#e6edf3}h2,details{border-color:#30363d}.muted{color:#8b949e}}
"""


def _page(described: Mapping[str, Any]) -> str:
    schemas = described["components"]["schemas"]
    by_tag: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(method, path, operation, schemas))
    sections = "".join(f"<h2>{html.escape(tag)}</h2>{''.join(parts)}" for tag, parts in by_tag.items())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_TITLE} API</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{_TITLE} API</h1><p class=muted>version {__version__} · <a href=/openapi.json>openapi.json</a></p>"
        f"<p>{html.escape(_DESCRIPTION)}</p>{sections}</html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(parameter['name'])}</code><td>{parameter['in']}"
        f"<td>{_kind(parameter['schema'])}<td>{html.escape(parameter.get('description', ''))}"
        for parameter in operation["parameters"]
    )
    parameters = f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""
    body = ""
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = f"<h4>Body</h4>{_shape(schema, schemas)}"
    answers = "".join(
        f"<tr><td><code>{status}</code><td>{html.escape(answer['description'])}<td>{_answer_name(answer)}"
        for status, answer in operation["responses"].items()
    )
    lock = "" if not operation["security"] else " <span class=muted>token</span>"
    return (
        f"<details><summary><b class=method>{method.upper()}</b><code>{html.escape(path)}</code> — "
        f"{html.escape(operation['summary'])}{lock}</summary>{parameters}{body}<h4>Answers</h4><table>{answers}</table></details>"
    )


def _answer_name(answer: Mapping[str, Any]) -> str:
    for content in answer.get("content", {}).values():
        return _kind(content["schema"])
    return ""


def _shape(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    shape = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    rows = "".join(
        f"<tr><td><code>{html.escape(name)}</code><td>{_kind(member)}"
        for name, member in shape.get("properties", {}).items()
    )
    return f"<p class=muted>{html.escape(shape.get('description', ''))}</p><table>{rows}</table>"


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return html.escape(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema:
        return html.escape(" | ".join(map(str, schema["enum"])))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return html.escape(str(schema.get("type", "anything")))
