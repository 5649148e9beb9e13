"""`blazon token`."""

import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import click

from blazon.cli.address import address_of, is_noted
from blazon.cli.client import DEFAULT_URL, Api, ApiError, server
from blazon.cli.options import Discreet, as_json, place_of_log, read_settings
from blazon.cli.output import print_json
from blazon.cli.sign_in import kept, sign_in_file
from blazon.settings import Settings

__all__ = ["command"]

_PASSWORD_FILE = "admin-password"  # noqa: S105 - the name of a file


@click.command("token", cls=Discreet)
@server
@click.option("--email", help="What to sign in with. Default: the first admin of the data folder.")
@click.option("--password", help="The password; asked for when it is left out.", envvar="BLAZON_PASSWORD")
@as_json
@place_of_log
def command(
    url: str | None,
    email: str | None,
    password: str | None,
    json_output: bool,
    settings_file: Path | None,
    **given: str,
) -> None:
    """Sign in, keep the sign-in for other commands, and print the access token.

    On the machine of a fresh Blazon nothing need be given: the first admin's password is in its data folder.
    """
    settings = read_settings(settings_file, dict(given))
    place = url or _place(settings)
    found = _first_admin(settings, place) if email is None and password is None else None
    email = email or settings.admin.email
    if password is None:
        password = found.password if found is not None else _asked(email, place)
    try:
        token = Api(place).sign_in(email, password)
    except ApiError as error:
        if error.status == 401:
            raise ApiError(_wrong(email, place, found), 401) from None
        raise
    if json_output:
        print_json({"access_token": token, "url": place, "email": email, "kept_in": str(sign_in_file())})
        return
    click.echo(token)
    if sys.stdout.isatty():
        click.echo(f"Signed in as {email} at {place}; other commands know it from now on.", err=True)


class _Found(NamedTuple):
    """The first admin's password, and where it stands."""

    password: str
    place: str


def _place(settings: Settings) -> str:
    """The server of the data folder; when it does not run and nothing was set, the one of the last sign-in."""
    before = kept()
    if before is not None and settings == Settings() and not is_noted(settings):
        return before.url
    return address_of(settings) or DEFAULT_URL


def _first_admin(settings: Settings, url: str) -> _Found | None:
    """The password of the first admin, if this machine knows it. It is sent to no other machine."""
    if url != address_of(settings) and (urlsplit(url).hostname or "") not in ("127.0.0.1", "localhost", "::1"):
        return None
    if settings.admin.password:
        return _Found(settings.admin.password, "admin.password in the settings")
    path = settings.data_path / _PASSWORD_FILE
    try:
        return _Found(path.read_text("utf-8").strip(), str(path))
    except (OSError, UnicodeDecodeError):
        return None


def _asked(email: str, url: str) -> str:
    if not sys.stdin.isatty():
        raise click.UsageError("give the password with --password or BLAZON_PASSWORD: there is no terminal to ask on")
    asked: str = click.prompt(f"Password of {email} at {url}", hide_input=True)
    return asked


def _wrong(email: str, url: str, found: _Found | None) -> str:
    if found is None:
        return f"{url} does not know {email} with this password"
    return (
        f"{url} does not know {email} with the password of {found.place}: it was changed, or belongs to another Blazon;"
        " give --data-dir, or --email and --password"
    )
