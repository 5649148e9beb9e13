"""The OpenAPI 3.1 document, from the same declarations the dispatcher serves."""

import re
from collections.abc import Iterable, Mapping
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
from blazon.web.failures import STATUS, Failure
from blazon.web.route import AnyRoute, Auth
from blazon.web.schemes import Scheme

__all__ = ["document"]

_REFERENCE = "#/components/schemas/{name}"


def document(routes: Iterable[AnyRoute], schemes: Iterable[Scheme], title: str, description: str) -> dict[str, Any]:
    """The document for some routes, with the schemes by which they may be called."""
    by_name = {scheme.name: scheme for scheme in schemes}
    routes = [route for route in routes if route.described]
    shapes: set[type[Any]] = {route.failure for route in routes} | {Failure}
    for route in routes:
        bodies = (route.answer, route.body if route.takes_body else None)
        shapes |= {shape for shape in bodies if shape is not None and shape is not bytes}
    ordered = sorted(shapes, key=lambda shape: shape.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    for shape in ordered:
        if shape.__name__ not in (*schemas, "list", "dict"):  # lists and maps of structs have no names of their own
            raise ValueError(f"two routes have a struct called {shape.__name__}; give one another name")
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        # A parameter that is the rest of the path, slashes included, cannot be described as such.
        paths.setdefault(route.path.replace("*}", "}"), {})[route.method.lower()] = _operation(route, by_name)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__, "description": description},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": dict(scheme.described for scheme in by_name.values()),
        },
    }


def _operation(route: AnyRoute, schemes: Mapping[str, Scheme]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route),
        "security": _security(route.auth, schemes),
    }
    if route.takes_body:
        operation["requestBody"] = {"required": True, "content": {route.consumes[0]: _media(route.body)}}
    return operation


def _media(shape: Any) -> dict[str, Any]:
    """What a body is: its schema, or nothing but its media type, if it is not JSON."""
    return {} if shape is bytes else {"schema": _schema(shape)}


def _schema(shape: Any) -> dict[str, Any]:
    schemas, _ = msgspec.json.schema_components((shape,), ref_template=_REFERENCE)
    return dict(schemas[0])


def _security(auth: Auth, schemes: Mapping[str, Scheme]) -> list[dict[str, list[str]]]:
    choices: list[dict[str, list[str]]] = [{schemes[name].described[0]: []} for name in auth.schemes]
    return [*choices, {}] if auth.optional else choices


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
        if "enum" in schema:  # an empty word is the same as no parameter
            schema["enum"] = ["", *schema["enum"]]
        found.append({"name": name, "in": "query", "description": description, "schema": schema})
    return found


def _inlined(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema with its references resolved and without `null`, which a query cannot express."""
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
        description = "A key for this request. Sent again with the same key, it gets its first response again."
        found.append(_header("Idempotency-Key", description))
    if route.method in ("PUT", "PATCH"):
        found.append(_header("If-Match", "Do it only if the entity still has this ETag."))
    return found


def _takes_key(route: AnyRoute) -> bool:
    return route.method == "POST" and route.auth != Auth.REFRESH


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _responses(route: AnyRoute) -> dict[str, Any]:
    success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        success["content"] = {route.produces: _media(route.answer)}
    responses = {str(route.status): success}
    failure = route.failure.__name__
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
    if route.auth.required:
        found.add(Unauthenticated)
    if route.takes_body:
        found.add(TooLarge)
    if route.takes_json:
        found.add(UnsupportedMedia)
    if route.method in ("PUT", "PATCH"):
        found.add(PreconditionFailed)
    if _takes_key(route):  # the key may have been used for another request
        found.add(RuleBroken)
    return found
