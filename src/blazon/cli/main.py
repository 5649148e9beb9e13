"""Entry point: the tree of commands, exit codes, and errors that say what to do next.

Exit codes: 0 it worked, 1 it failed, 2 it was asked wrongly, 130 after Ctrl-C, 141 when nobody reads the output any
more, as a shell has it of other programs.
"""

import importlib
import os
import sys
from typing import Any, Final, NamedTuple

import click
from click.exceptions import NoArgsIsHelpError

from blazon import __version__
from blazon.errors import BlazonError

__all__ = ["blazon", "main"]

_FAILED: Final = 1
_ASKED_WRONGLY: Final = 2
_INTERRUPTED: Final = 130
_NOBODY_READS: Final = 141


class _Command(NamedTuple):
    """Where a command is defined, its help for the list of commands, and its name in the module."""

    module: str
    help: str
    name: str = "command"


_COMMANDS: Final = {
    "up": _Command("blazon.cli.up", "Start Blazon."),
    "token": _Command("blazon.cli.token", "Sign in and print an access token."),
    "users": _Command("blazon.cli.users", "Make, list and change users."),
    "groups": _Command("blazon.cli.groups", "Make, list and change groups and who may do what in them."),
    "things": _Command("blazon.cli.things", "Make, import, list and change things, and ask what they may do."),
    "channels": _Command("blazon.cli.channels", "Make, import, list and change channels and who may do what on them."),
    "connect": _Command("blazon.cli.connect", "Put things on channels.", "connect"),
    "disconnect": _Command("blazon.cli.connect", "Take things off channels.", "disconnect"),
    "ca": _Command("blazon.cli.ca", "Make, import, look at and revoke certificate authorities."),
    "cert": _Command("blazon.cli.cert", "Issue, find, check and revoke certificates."),
    "profiles": _Command("blazon.cli.profiles", "Make, list and change issuance profiles."),
    "engines": _Command("blazon.cli.engines", "List the crypto engines that hold the keys of CAs."),
    "events": _Command("blazon.cli.events", "Read the events of the log."),
    "log": _Command("blazon.cli.log", "Look after the log: status, verify."),
    "history": _Command("blazon.cli.history", "Rebuild tables from the log, or prove that they equal it."),
    "settings": _Command("blazon.cli.settings", "List every setting, its value, and where that comes from."),
    "completion": _Command("blazon.cli.completion", "Print the script that completes commands in a shell."),
}

# \b keeps click from joining the lines that follow it.
_HELP: Final = """Blazon gives every device an identity, decides what it may do, and records everything that happens.

\b
blazon up                                  start here
blazon token                               sign in as the first admin
blazon users create jo@example.com         make a user
blazon things create sensor                make a thing, and see its key
blazon connect sensor --channel telemetry  put it on a channel
blazon ca create Root                      make a certificate authority
blazon events tail --follow                watch what happens
"""


class _Lazy(click.Group):
    """A group whose commands are loaded when they are used, so that help comes at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = _COMMANDS.get(cmd_name)
        if found is None:
            return None
        command: click.Command = getattr(importlib.import_module(found.module), found.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read our output has gone, as `head` does. What is left to flush at the end goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(_NOBODY_READS)
        return result

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=_COMMANDS, ctx=ctx) from None


@click.group(cls=_Lazy, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="blazon %(version)s")
def blazon() -> None:
    """Nothing happens before the command itself."""


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    sys.exit(_run())


def _run() -> int:
    try:
        # Without standalone mode click returns the code of `--help` and the like, and None of a command that ended.
        return blazon(prog_name="blazon", standalone_mode=False) or 0
    except NoArgsIsHelpError as error:
        error.show()
        return _ASKED_WRONGLY
    except click.ClickException as error:
        message = error.format_message()
        _complain(message[:1].lower() + message[1:])
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(f"{error.ctx.get_usage()}\nMore: {error.ctx.command_path} --help", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except BlazonError as error:
        _complain(error.reason or error.title)
    except OSError as error:
        if error.filename is None:
            raise
        _complain(f"cannot use {error.filename}: {error.strerror}")
    return _FAILED


def _complain(message: str) -> None:
    click.echo(f"blazon: {message}", err=True)


if __name__ == "__main__":
    main()
