"""`blazon up`."""

import asyncio
import contextlib
import ctypes
import os
import resource
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from blazon.app import TABLES, Blazon, Started
from blazon.cli.address import note_address, remove_address
from blazon.cli.options import Discreet, every_setting, read_settings
from blazon.settings import Settings, unknown_variables

__all__ = ["command"]


_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK = 128 * 1024
"""Bytes from which a block is mapped by itself; what glibc begins with, and moves up unless it is set."""


@click.command("up", cls=Discreet)
@every_setting(TABLES)
def command(settings_file: Path | None, **given: Any) -> None:
    """Start Blazon and run it until Ctrl-C.

    Without settings, state is kept in SQLite in ./blazon-data and a Redis is started beside it. Every setting can also
    stand in a TOML file or in the environment; `blazon settings` shows how.
    """
    settings = read_settings(settings_file, given, TABLES)
    import gc

    import uvloop

    from blazon.embedded import die_with_parent
    from blazon.logs import configure

    if "MAKELEVEL" in os.environ:
        die_with_parent()  # `make up` that is killed takes us with it, as Ctrl-C does
    configure(settings.log)
    _raise_limit_of_files()
    _return_large_blocks()
    for variable, close in unknown_variables(os.environ, TABLES):
        hint = f"; did you mean {close}?" if close else ""
        click.echo(f"blazon: there is no setting for {variable}{hint}", err=True)

    is_up = False

    def ready(started: Started) -> None:
        nonlocal is_up
        # What was made at the start stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        note_address(settings, started.url)
        is_up = True
        click.echo(_greeting(settings, started, settings_file, blazon.health.troubles))

    blazon = Blazon(settings)

    async def run() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, blazon.stop)
        await blazon.run(ready)

    try:
        uvloop.run(run())
    finally:
        if is_up:  # else it is the address of another Blazon in this folder
            remove_address(settings)


def _raise_limit_of_files() -> None:
    """Raises the soft limit of open files to the hard one: each connection is a file, and 1 024 are few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # more than the kernel allows
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _return_large_blocks() -> None:
    """Lets malloc give every large block back to the system when it is freed, where malloc is that of glibc.

    By itself glibc keeps what it once got for large blocks, in pieces between small ones: a thousand clients that ask
    for pages of 5 MB at once and read nothing cost 195 to 280 MB, and with a fixed threshold 100 MB.
    """
    with contextlib.suppress(AttributeError):  # another libc has no mallopt
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def _greeting(settings: Settings, started: Started, settings_file: Path | None, troubles: Mapping[str, str]) -> str:
    program = _program()
    url = settings.http.public_url.rstrip("/") or started.url
    place = _place(settings, settings_file)
    lines = [
        f"Blazon is up at {url}",
        "",
        *(f"  {label:<10} {text}" for label, text in started.notes),
        f"  {'API':<10} {url}/docs, {url}/openapi.json",
        f"  {'Health':<10} {url}/health, {url}/metrics",
        f"  {'Redis':<10} {_redis(settings, started.settings.redis.url)}",
        f"  {'RabbitMQ':<10} {_rabbit(settings)}",
        f"  {'Data':<10} {settings.data_path}",
        *(f"  {'Trouble':<10} {part}: {trouble}" for part, trouble in troubles.items()),
        "",
        "Next, in another terminal:",
        "",
        f"  {program} token{place}",
        f"  {program} events tail --follow{place}",
        "",
    ]
    return "\n".join(lines)


def _redis(settings: Settings, url: str) -> str:
    if not url:
        return "none; set redis.url"
    if settings.redis.url:
        return "the one of redis.url"
    port = url.rpartition(":")[2].partition("/")[0]
    return f"{url}; see: redis-cli -p {port} XRANGE {settings.redis.prefix}.users - +"


def _rabbit(settings: Settings) -> str:
    return f"exchange {settings.amqp.exchange} of amqp.url" if settings.amqp.url else "none; set amqp.url"


def _place(settings: Settings, settings_file: Path | None) -> str:
    """The options with which another command finds this Blazon."""
    place = "" if settings_file is None else f" --settings {shlex.quote(str(settings_file))}"
    if settings.data_dir != Settings().data_dir and settings_file is None:
        place += f" --data-dir {shlex.quote(settings.data_dir)}"
    if settings.database.url and settings_file is None:
        place += " --database-url ..."  # it may hold a password
    return place


def _program() -> str:
    """What to type to run this program again."""
    found = shutil.which("blazon")
    own = Path(sys.argv[0]).resolve()
    if found is not None and Path(found).resolve() == own:
        return "blazon"
    try:
        return str(own.relative_to(Path.cwd()))
    except ValueError:
        return str(own)
