"""The map from errors to answers is total: every error of Blazon, wherever it is declared, has its answer."""

import importlib
import json
import pkgutil
from collections.abc import Iterator

import blazon
from blazon import errors
from blazon.ca.api import PkiFailure
from blazon.errors import BlazonError, LogDamaged, MethodNotAllowed, RequestError, TooMany
from blazon.web import ErrorBody, Failure, failures
from blazon.web.json import IncompleteBody


def below(kind: type[BlazonError]) -> Iterator[type[BlazonError]]:
    """A class and every class below it."""
    yield kind
    for child in kind.__subclasses__():
        yield from below(child)


def everywhere() -> list[type[BlazonError]]:
    """Every error class in any module of the package."""
    for module in pkgutil.walk_packages(blazon.__path__, "blazon."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return list(below(BlazonError))


def made(kind: type[BlazonError]) -> BlazonError:
    """An error of a class."""
    if issubclass(kind, MethodNotAllowed):
        return kind("why", ("GET", "PUT"))
    if issubclass(kind, TooMany):
        return kind("why", 7)
    if issubclass(kind, LogDamaged):
        return kind("why", 1)
    return kind("why")


def test_every_class_of_the_tree_is_in_the_map() -> None:
    tree = {kind for name in errors.__all__ if issubclass(kind := getattr(errors, name), BlazonError)}
    as_above = {errors.DatabaseAway, errors.SettingsError}  # they have the answer of their branch
    assert set(failures.STATUS) == tree - as_above


def test_every_class_of_the_tree_is_exported_and_drawn() -> None:
    declared = {
        kind.__name__ for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BlazonError)
    }
    assert declared == set(errors.__all__)
    for name in declared:
        assert errors.__doc__ is not None
        assert f" {name} " in errors.__doc__ or f" {name}\n" in errors.__doc__


HEADERS = {
    401: "www-authenticate",
    405: "allow",
    408: "connection",
    413: "connection",
    429: "retry-after",
    503: "retry-after",
}


def test_every_error_has_its_answer() -> None:
    kinds = everywhere()
    assert len(kinds) > len(failures.STATUS)
    for kind in kinds:
        error = made(kind)
        status = failures.status_of(error)
        assert status // 100 == (4 if issubclass(kind, RequestError) else 5), kind
        assert kind.title
        assert json.loads(failures.body_of(error, Failure, problem=False)) == {"error": "why", "message": kind.title}
        if kind is not IncompleteBody:
            assert json.loads(failures.body_of(error, PkiFailure, problem=False)) == {"err": "why"}
        problem = json.loads(failures.body_of(error, Failure, problem=True))
        assert problem == {"type": "about:blank", "title": kind.title, "status": status, "detail": "why"}
        headers = {name for name, _ in failures.headers_of(error)}
        assert headers == ({HEADERS[status]} if status in HEADERS else set()), kind


def test_what_clients_of_the_pki_compare_stands_alone() -> None:
    """Decision C16: `err` is the text they know and nothing else; the rest is in `detail`."""

    def body(error: BlazonError, shape: type[ErrorBody] = PkiFailure) -> object:
        return json.loads(failures.body_of(error, shape, problem=False))

    error = errors.Malformed("CA Status inconsistent", "the CA is ACTIVE")
    assert body(error) == {"err": "CA Status inconsistent", "detail": "the CA is ACTIVE"}
    assert body(errors.NotFound("CA not found")) == {"err": "CA not found"}
    assert body(errors.NotFound()) == {"err": errors.NotFound.title}
    lacking = IncompleteBody("object missing required field `csr`")
    assert body(lacking) == {"err": "struct validation error", "detail": "object missing required field `csr`"}
    # Others are told all of it in one.
    whole = "CA Status inconsistent: the CA is ACTIVE"
    assert body(error, Failure) == {"error": whole, "message": errors.Malformed.title}
    assert json.loads(failures.body_of(error, PkiFailure, problem=True))["detail"] == whole == str(error)
    assert body(lacking, Failure) == {"error": lacking.reason, "message": errors.Malformed.title}


def test_statuses_are_those_of_the_decision() -> None:
    said = {kind.__name__: status for kind, status in failures.STATUS.items() if issubclass(kind, RequestError)}
    assert said == {
        "RequestError": 400,
        "Malformed": 400,
        "Unauthenticated": 401,
        "Forbidden": 403,
        "NotFound": 404,
        "MethodNotAllowed": 405,
        "TooSlow": 408,
        "Conflict": 409,
        "PreconditionFailed": 412,
        "TooLarge": 413,
        "UnsupportedMedia": 415,
        "RuleBroken": 422,
        "TooMany": 429,
    }


def test_a_class_below_has_the_answer_of_its_branch() -> None:
    class Odd(errors.Conflict):
        pass

    assert failures.status_of(Odd("why")) == 409


def test_headers_say_what_they_must() -> None:
    assert failures.headers_of(MethodNotAllowed("", ("GET", "PUT"))) == [("allow", "GET, PUT")]
    assert failures.headers_of(TooMany("", 7)) == [("retry-after", "7")]
