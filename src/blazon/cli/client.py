"""Calling the HTTP API from the command line."""

import http.client
import json
import os
import uuid
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import click

from blazon.cli.sign_in import Kept, forget, keep, kept
from blazon.errors import BlazonError

__all__ = ["DEFAULT_URL", "Api", "ApiError", "checked_url", "server"]

DEFAULT_URL: Final = "http://127.0.0.1:8080"
_PATIENCE: Final = 30.0
_TRIES: Final = 5


class Answered(NamedTuple):
    """What the API answered: the body, read, and the ETag of what it shows."""

    body: Any
    etag: str


class ApiError(BlazonError):
    """The API refused, or could not be reached. `status` is 0 when it could not be reached."""

    title = "the request failed"

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


def checked_url(url: str) -> str:
    """A URL of Blazon without a slash at its end. Raises UsageError when it is none."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise click.UsageError(f"{url!r} is not a URL of Blazon; write it as in {DEFAULT_URL}")
    return url.rstrip("/")


def _check(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return checked_url(value) if value else None


server = click.option(
    "--url",
    envvar="BLAZON_URL",
    callback=_check,
    help=f"Where Blazon is. Default: where you signed in, else {DEFAULT_URL}.",
)
"""The option --url."""


class Api:
    """The API of one server, as a signed-in user. An access token that is over is renewed with the refresh token."""

    def __init__(self, url: str | None = None, *, patience: float = _PATIENCE) -> None:
        """`patience` is how many seconds an answer may take."""
        found = kept()
        self._patience = patience
        self.url = url or (found.url if found is not None else DEFAULT_URL)
        self._kept = found if found is not None and found.url == self.url else None

    def sign_in(self, identity: str, secret: str) -> str:
        """Signs in, keeps the tokens, and returns the access token. Raises ApiError."""
        body = self._send("POST", "/users/tokens/issue", {"identity": identity, "secret": secret}, token="").body
        return self._keep(body)

    def call(
        self, method: str, path: str, body: Any = None, query: dict[str, Any] | None = None, once: str = ""
    ) -> Any:
        """One request as the user who signed in. Raises ApiError.

        A value of `query` may be a list, which is sent as several parameters of one name; None leaves one out.
        `once` is its Idempotency-Key: what was sent with one can be sent again and happens once.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{path}?{urlencode(given, doseq=True)}" if given else path
        return self._as_user(method, target, body, {"Idempotency-Key": once} if once else {}).body

    def change(self, path: str, part: str, changed: Callable[[Any], Any]) -> Any:
        """Reads what is at `path`, and puts what `changed` makes of it to `part` below that path.

        When somebody else changed it in between, it is read and changed again. Raises ApiError.
        """
        for _ in range(_TRIES):
            found = self._as_user("GET", path, None, {})
            try:
                return self._as_user("PUT", path + part, changed(found.body), {"If-Match": found.etag}).body
            except ApiError as error:
                if error.status != 412:
                    raise
        raise ApiError("others change it all the time; try again in a moment", 412)

    def _as_user(self, method: str, target: str, body: Any, headers: dict[str, str]) -> Answered:
        token = os.environ.get("BLAZON_TOKEN")
        if token:
            return self._with_given_token(method, target, body, token, headers)
        if self._kept is None:
            raise ApiError(f"you are not signed in at {self.url}; run: blazon token{self._flag()}", 401)
        try:
            return self._send(method, target, body, self._kept.access_token, headers)
        except ApiError as error:
            if error.status != 401:
                raise
        return self._send(method, target, body, self._refreshed(self._kept), headers)

    def _with_given_token(self, method: str, target: str, body: Any, token: str, headers: dict[str, str]) -> Answered:
        try:
            return self._send(method, target, body, token, headers)
        except ApiError as error:
            if error.status != 401:
                raise
            raise ApiError(f"the token in BLAZON_TOKEN is not good at {self.url}: {error.reason}", 401) from None

    def _refreshed(self, old: Kept) -> str:
        try:
            body = self._send("POST", "/users/tokens/refresh", None, old.refresh_token).body
        except ApiError as error:
            if error.status != 401:
                raise
            forget()
            raise ApiError(f"your sign-in at {self.url} is over; run: blazon token{self._flag()}", 401) from None
        return self._keep(body)

    def _flag(self) -> str:
        return "" if self.url == DEFAULT_URL else f" --url {self.url}"

    def _keep(self, tokens: dict[str, str]) -> str:
        self._kept = Kept(self.url, tokens["access_token"], tokens["refresh_token"])
        keep(self._kept)
        return self._kept.access_token

    def _send(self, method: str, path: str, body: Any, token: str, headers: dict[str, str] | None = None) -> Answered:
        """One request with a token, none when it is empty. Raises ApiError."""
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return self._request(method, path, body, sent)

    def identify(self, key: str) -> dict[str, str]:
        """The thing a key belongs to: asked with that key, as a device does. Raises ApiError."""
        if not key.isascii() or not key.isprintable():
            raise click.UsageError("a key with other characters than those of ASCII cannot stand in a header")
        found: dict[str, str] = self._request("POST", "/identify", {}, {"Authorization": f"Thing {key}"}).body
        return found

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answered:
        headers["Accept"] = "application/json"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body)
        answer, etag = self._exchange(method, path, data, headers)
        try:
            return Answered(json.loads(answer) if answer else None, etag)
        except ValueError:
            raise ApiError(f"what answers at {self.url} is not Blazon; give the right address with --url") from None

    def fetch(self, path: str, data: bytes | None = None) -> bytes:
        """What is at a path that is not JSON and needs no token; with data by POST. Raises ApiError."""
        headers = {"Content-Type": "application/octet-stream"} if data is not None else {}
        return self._exchange("GET" if data is None else "POST", path, data, headers)[0]

    def _exchange(self, method: str, path: str, data: str | bytes | None, headers: dict[str, str]) -> tuple[bytes, str]:
        """The body and the ETag of an answer. Raises ApiError when it is a refusal, or when there is none."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._patience)
        try:
            connection.request(method, parts.path + path, data, headers)
            response = connection.getresponse()
            status, answer, etag = response.status, response.read(), response.headers.get("ETag", "")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ApiError(_away(error, self.url)) from None
        finally:
            connection.close()
        if status >= 400:
            raise ApiError(_refusal(answer, status, self.url), status)
        return answer, etag

    def user_id(self, named: str) -> str:
        """The id of a user who is named by id, by what it signs in with, or as `me`. Raises ApiError."""
        if named == "me":
            return str(self.call("GET", "/users/profile")["id"])
        if "@" not in named:
            return _segment(named)
        found = self.call("GET", "/users", query={"identity": named, "status": "all"})["users"]
        if not found:
            raise ApiError(f"there is no user {named}, or none you may see; blazon users list shows those you may", 404)
        # Several are there only when an older Blazon let them in: the one that is written so is meant.
        same = [user for user in found if user["credentials"].get("identity") == named] or found
        if len(same) > 1:
            ids = ", ".join(user["id"] for user in same)
            raise ApiError(f"there are {len(same)} users {named!r} in other spellings; name one by its id: {ids}", 404)
        return str(same[0]["id"])

    def id_of(self, noun: str, named: str) -> str:
        """The id of a group, thing or channel (`noun`) named by id, or by a name only one has. Raises ApiError."""
        if _is_uuid(named):
            return named.lower()
        if not named:
            raise click.UsageError(f"the name of a {noun} is empty; `blazon {noun}s list` shows names and ids")
        page = self.call("GET", f"/{noun}s", query={"name": named, "status": "all"})
        found, total = page[f"{noun}s"], page["total"]
        if not found:
            raise ApiError(
                f"there is no {noun} {named!r}, or none you may see; blazon {noun}s list shows those you may", 404
            )
        if total > 1:
            ids = ", ".join(one["id"] for one in found) + (", …" if total > len(found) else "")
            raise ApiError(f"there are {total} {noun}s {named!r}; name one by its id: {ids}", 404)
        return str(found[0]["id"])


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _segment(identifier: str) -> str:
    """An id as one step of a path."""
    if (
        not identifier.isascii()
        or not identifier
        or not all(character.isalnum() or character in "-_" for character in identifier)
    ):
        raise click.UsageError(f"{identifier!r} is neither an id nor an e-mail address; `blazon users list` shows both")
    return identifier


def _away(error: Exception, url: str) -> str:
    if type(error).__name__ == "SSLCertVerificationError":
        mend = "set SSL_CERT_FILE to the certificate of the authority that issued it"
        return f"the certificate of {url} is not trusted here; {mend}"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"cannot reach {url} ({reason}). Start Blazon with `blazon up`, or say where it is with --url"


def _refusal(answer: bytes, status: int, url: str) -> str:
    try:
        body = json.loads(answer)
        if "err" not in body:
            return str(body["error"] or body["message"])
        said, detail = str(body["err"]), str(body.get("detail") or "")
        return f"{said}: {detail}" if detail and not detail.startswith(said) else detail or said
    except (ValueError, KeyError, TypeError):
        return f"{url} answered {status}, and not as Blazon does; give the right address with --url"
