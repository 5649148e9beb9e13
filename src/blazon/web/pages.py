"""What is served beside the routes of rooms: health, metrics, the OpenAPI document and a page to read it."""

import asyncio
import html
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from blazon import __version__
from blazon.errors import Unavailable
from blazon.health import Health
from blazon.web.openapi import document
from blazon.web.route import AnyRoute, Auth, Call, NoBody, NoQuery, Reply, Route
from blazon.web.schemes import Scheme

__all__ = ["pages"]

_TITLE: Final = "Blazon"
_DESCRIPTION: Final = (
    "Device identity and events. Sign in at `/users/tokens/issue` and send the access token as"
    " `Authorization: Bearer <token>`. Every operation is recorded in the event log before it is answered."
)
# The page holds no script and loads nothing.
_PAGE_HEADERS: Final = (
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("x-content-type-options", "nosniff"),
)

_Plain = Call[NoBody, NoQuery]


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


class _Metrics:
    """The text of the metrics, which takes milliseconds to write: requests that come meanwhile share the next one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._writing = asyncio.Lock()
        self._next: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        """The metrics as they are now, or later."""
        if self._next is None:
            self._next = asyncio.create_task(self._write())
        return await asyncio.shield(self._next)

    async def _write(self) -> bytes:
        async with self._writing:
            self._next = None
            return await asyncio.to_thread(generate_latest, self._registry)


def pages(
    routes: Iterable[AnyRoute],
    schemes: Iterable[Scheme],
    registry: CollectorRegistry,
    check: Callable[[], Awaitable[None]],
    health: Health,
    instance: str,
) -> list[AnyRoute]:
    """The routes of `/health`, `/metrics`, `/openapi.json` and `/docs`, of which the last two describe `routes`.

    `check` raises Unavailable while the database is away.
    """
    described = document(routes, schemes, _TITLE, _DESCRIPTION)
    openapi, page, metrics = msgspec.json.encode(described), _page(described).encode(), _Metrics(registry)

    async def read_health(_: _Plain) -> Reply:
        checks: dict[str, tuple[_Check, ...]] = {
            part: (_Check("warn", trouble),) for part, trouble in health.troubles.items()
        }
        status, code = "warn" if checks else "pass", HTTPStatus.OK
        try:
            await check()
        except Unavailable as error:
            status, code = "fail", HTTPStatus.SERVICE_UNAVAILABLE
            checks["database"] = (_Check("fail", error.reason),)
        return Reply(code, _Health(status, __version__, "", "blazon service", "", instance, checks))

    async def read_metrics(_: _Plain) -> Reply:
        return Reply(body=await metrics.text())

    def read_openapi(_: _Plain) -> Reply:
        return Reply(body=openapi)

    def read_docs(_: _Plain) -> Reply:
        return Reply(body=page, headers=_PAGE_HEADERS)

    return [
        _route("/health", "Read the health of the service", read_health, "application/health+json", _Health),
        _route("/metrics", "Read the metrics", read_metrics, CONTENT_TYPE_LATEST),
        _route("/openapi.json", "Read the description of the API", read_openapi, "application/json"),
        _route("/docs", "Read the description of the API as a page", read_docs, "text/html; charset=utf-8"),
    ]


def _route(
    path: str,
    summary: str,
    handler: Callable[[_Plain], Reply | Awaitable[Reply]],
    produces: str,
    answer: type[Any] = bytes,
) -> AnyRoute:
    return Route(
        method="GET",
        path=path,
        summary=summary,
        handler=handler,
        tag="pages",
        answer=answer,
        produces=produces,
        auth=Auth.NONE,
        described=False,
    )


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
        ((media, content),) = operation["requestBody"]["content"].items()
        body = f"<h4>Body</h4>{_shape(content['schema'], schemas) if 'schema' in content else html.escape(media)}"
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
    for media, content in answer.get("content", {}).items():
        return _kind(content["schema"]) if "schema" in content else html.escape(media)
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
