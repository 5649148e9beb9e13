"""The OpenAPI 3.1 document, from the same declarations the dispatcher serves."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from blazon import __version__
from blazon.errors import (
    Malformed,
    PreconditionFailed,
    RequestError,
    RuleBroken,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from blazon.web.failures import STATUS, shape_at
from blazon.web.route import AnyRoute, Auth

__all__ = ["document"]

_REFERENCE = "#/components/schemas/{name}"


def document(routes: Iterable[AnyRoute], title: str, description: str) -> dict[str, Any]:
    """The document for some routes."""
    routes = list(routes)
    shapes: set[type[Any]] = {shape_at(route.path) for route in routes} | {shape_at("")}
    for route in routes:
        shapes |= {shape for shape in (route.answer, route.body if route.takes_body else None) if shape is not None}
    ordered = sorted(shapes, key=lambda shape: shape.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    for shape in ordered:
        if shape.__name__ not in (*schemas, "list", "dict"):  # a list or a map of structs has no name of its own
            raise ValueError(f"two routes have a struct called {shape.__name__}; give one another name")
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": description},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(route: AnyRoute) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route),
        "security": _security(route.auth),
    }
    if route.takes_body:
        schema = _schema(route.body)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _schema(shape: Any) -> dict[str, Any]:
    schemas, _ = msgspec.json.schema_components((shape,), ref_template=_REFERENCE)
    return dict(schemas[0])


def _security(auth: Auth) -> list[dict[str, list[str]]]:
    if auth is Auth.NONE:
        return []
    return [{"bearer": []}, {}] if auth is Auth.OPTIONAL else [{"bearer": []}]


def _path_parameters(route: AnyRoute) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in route.parameters
    ]


def _query_parameters(route: AnyRoute) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components((route.query,), ref_template="#/$defs/{name}")
    shape = components[route.query.__name__]
    found = []
    for name, declared in shape.get("properties", {}).items():
        schema = _inlined(declared, components)
        description = schema.pop("description", "")
        if "enum" in schema:  # a word that is given and empty asks for nothing
            schema["enum"] = ["", *schema["enum"]]
        found.append({"name": name, "in": "query", "description": description, "schema": schema})
    return found


def _inlined(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema with what it refers to put in its place, and `null` taken out: a query knows no null."""
    if "$ref" in schema:
        return _inlined(dict(components[schema["$ref"].rpartition("/")[2]]), components)
    if "anyOf" in schema:
        choices = [_inlined(choice, components) for choice in schema["anyOf"] if choice != {"type": "null"}]
        if len(choices) == 1:
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
            return {**choices[0], **rest}
    return {key: value for key, value in schema.items() if not (key == "default" and value is None)}


def _header_parameters(route: AnyRoute) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if _takes_key(route):
        description = "A key for this request; sent again with the same key, it gets its first answer again."
        found.append(_header("Idempotency-Key", description))
    if route.method in ("PUT", "PATCH"):
        found.append(_header("If-Match", "Do it only if the entity still has this ETag."))
    return found


def _takes_key(route: AnyRoute) -> bool:
    return route.method == "POST" and route.auth is not Auth.REFRESH


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _responses(route: AnyRoute) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        success["content"] = {"application/json": {"schema": _schema(route.answer)}}
    responses = {str(route.status): success}
    failure = shape_at(route.path).__name__
    for kind in sorted(_errors(route), key=lambda kind: STATUS[kind]):
        status = str(STATUS[kind])
        responses.setdefault(
            status,
            {
                "description": re.sub(r"\s+", " ", (kind.__doc__ or "").strip().split("\n\n")[0]),
                "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name=failure)}}},
            },
        )
    return responses


def _errors(route: AnyRoute) -> set[type[Any]]:
    found: set[type[RequestError | Unavailable]] = {Malformed, Unavailable, *route.errors}
    if route.auth in (Auth.USER, Auth.REFRESH):
        found.add(Unauthenticated)
    if route.takes_body:
        found |= {TooLarge, UnsupportedMedia}
    if route.method in ("PUT", "PATCH"):
        found.add(PreconditionFailed)
    if _takes_key(route):  # it may be that of another request
        found.add(RuleBroken)
    return found
