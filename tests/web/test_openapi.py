"""The OpenAPI document: valid, complete, and as the answers are; and the page to read it."""

import html
import re
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from blazon.caller import Caller
from blazon.web import Auth, Call, NoBody, NoQuery, Reply, Route, document
from tests.running import PASSWORD, Running
from tests.users.support import allow
from tests.web.served import SCHEMES
from tests.web.support import Operation


async def described(blazon: Running) -> Any:
    answer = await blazon.call("GET", "/openapi.json", token="")
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json


async def test_valid(blazon: Running) -> None:
    document = await described(blazon)
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


async def test_every_operation_says_what_it_is(routes: list[Operation]) -> None:
    names = [operation.declared["operationId"] for operation in routes]
    assert len(set(names)) == len(names) > 20
    for operation in routes:
        declared = operation.declared
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", declared["operationId"])
        assert re.fullmatch(r"[A-Z][^.]*[^.]", declared["summary"]), str(operation)
        assert declared["tags"]
        assert {parameter for parameter in operation.parameters} == set(re.findall(r"{(\w+)}", operation.path))
        for status, answer in declared["responses"].items():
            assert re.fullmatch("[2-5][0-9][0-9]", status)
            assert answer["description"]
        assert "400" in declared["responses"]
        assert ("401" in declared["responses"]) >= operation.needs_token
        if operation.takes_body:
            assert {"413", "415"} <= set(declared["responses"])


async def test_every_route_of_the_dispatcher_is_there(blazon: Running, routes: list[Operation]) -> None:
    """What the document does not know must not answer, and what it knows must."""
    for operation in routes:
        answer = await blazon.call("OPTIONS", operation.at())
        assert operation.method in answer.headers["Allow"].split(", ")
    for path in ("/users/{id}", "/groups/{id}/members", "/users/policies/{subject}/{object}", "/users/tokens/identify"):
        assert path in {operation.path for operation in routes}


async def test_answers_are_as_declared(blazon: Running) -> None:
    """Every kind of answer of the users service against its schema, with no field that is not declared."""
    document = await described(blazon)
    person, group = await blazon.person(tags=["t"], metadata={"a": 1}), await blazon.group(description="d")
    below = await blazon.group(parent_id=group["id"])
    await allow(blazon, person, group, "c_list")
    tokens = {"identity": person.identity, "secret": PASSWORD}
    cases: list[tuple[str, str, str, Any]] = [
        ("GET", "/users/{id}", f"/users/{person.id}", None),
        ("GET", "/users", "/users", None),
        ("GET", "/users/profile", "/users/profile", None),
        ("GET", "/groups/{id}", f"/groups/{below['id']}", None),
        ("GET", "/groups", "/groups?tree=true&level=2", None),
        ("GET", "/groups/{id}/children", f"/groups/{group['id']}/children?tree=true", None),
        ("GET", "/groups/{id}/members", f"/groups/{group['id']}/members", None),
        ("GET", "/users/{id}/memberships", f"/users/{person.id}/memberships", None),
        ("GET", "/users/policies", "/users/policies", None),
        ("POST", "/users/tokens/issue", "/users/tokens/issue", tokens),
        ("POST", "/users/tokens/identify", "/users/tokens/identify", None),
        ("GET", "/users/{id}", "/users/nobody", None),
        ("POST", "/groups", "/groups", {}),
        ("POST", "/groups", "/groups", {"name": group["name"]}),
    ]
    for method, path, called, body in cases:
        answer = await blazon.call(method, called, body)
        declared = document["paths"][path][method.lower()]["responses"][str(answer.status)]
        (schema,) = [content["schema"] for content in declared["content"].values()]
        closed = {**schema, "components": _closed(document["components"])}
        Draft202012Validator(closed).validate(answer.json)


def _closed(components: Any) -> Any:
    """The schemas with no other properties than those declared."""
    if isinstance(components, dict):
        closed = {name: _closed(member) for name, member in components.items()}
        return {**closed, "additionalProperties": False} if "properties" in closed and "type" in closed else closed
    return [_closed(member) for member in components] if isinstance(components, list) else components


async def test_page(blazon: Running, routes: list[Operation]) -> None:
    answer = await blazon.call("GET", "/docs", token="")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = answer.body.decode()
    assert "<script" not in page
    assert page.count("<details>") == page.count("</details>") == len(routes)
    for operation in routes:
        assert f"<b class=method>{operation.method}</b><code>{html.escape(operation.path)}</code>" in page
        assert html.escape(operation.declared["summary"]) in page
        for name in operation.query:
            assert f"<code>{name}</code>" in page


class Odd(msgspec.Struct, frozen=True):
    """A shape with <b>signs</b> of HTML & more."""

    value: str = ""


async def _handle_odd(call: Call[NoBody, NoQuery]) -> Reply:
    return Reply(200, Odd(call.caller.id))


def test_a_document_of_one_route() -> None:
    route = Route(
        method="GET", path="/odd/{a}/{b}", summary="See", handler=_handle_odd, tag="t", answer=Odd, auth=Auth.NONE
    )
    found = document([route], SCHEMES, "Title", "Text")
    OpenAPIV31SpecValidator(found).validate()
    operation = found["paths"]["/odd/{a}/{b}"]["get"]
    assert operation["operationId"] == "handle_odd"
    assert [parameter["name"] for parameter in operation["parameters"]] == ["a", "b"]
    assert operation["security"] == []
    assert set(operation["responses"]) == {"200", "400", "503"}
    assert found["components"]["schemas"]["Odd"]["properties"] == {"value": {"type": "string", "default": ""}}


async def test_a_handler_alone() -> None:
    reply = await _handle_odd(Call(Caller(id="me"), None, {}, NoQuery(), NoBody()))  # type: ignore[arg-type]
    assert reply.body == Odd("me")


@pytest.mark.parametrize("auth", [Auth.NONE, Auth.OPTIONAL, Auth.USER, Auth.REFRESH])
def test_security(auth: Auth) -> None:
    route = Route(method="POST", path="/odd", summary="Make", handler=_handle_odd, tag="t", auth=auth)
    operation = document([route], SCHEMES, "Title", "Text")["paths"]["/odd"]["post"]
    assert (
        operation["security"]
        == {
            Auth.NONE: [],
            Auth.OPTIONAL: [{"bearer": []}, {}],
            Auth.USER: [{"bearer": []}],
            Auth.REFRESH: [{"bearer": []}],
        }[auth]
    )
    assert ("401" in operation["responses"]) == (auth in (Auth.USER, Auth.REFRESH))
