"""Help is quick, whole, and loads nothing heavy; who types something wrong is told what was meant."""

import subprocess
import sys

import pytest

from tests.cli.program import Program

COMMANDS = {
    "up": (),
    "token": (),
    "users": ("create", "list", "show", "update", "groups", "enable", "disable", "password"),
    "groups": (
        *("create", "list", "show", "update", "children", "parents", "tree", "enable", "disable"),
        *("members", "rights", "allow", "deny", "may"),
    ),
    "things": (
        *("create", "list", "show", "update", "key", "owner", "channels", "rights", "identify", "explain", "may"),
        *("enable", "disable", "import"),
    ),
    "channels": (
        *("create", "list", "show", "update", "children", "parents", "tree", "enable", "disable"),
        *("things", "rights", "allow", "deny", "may", "import"),
    ),
    "connect": (),
    "disconnect": (),
    "ca": (
        *(
            "create",
            "import",
            "list",
            "tree",
            "show",
            "chain",
            "crl",
            "revoke",
            "hold",
            "release",
            "delete",
            "metadata",
        ),
        *("request", "requests", "csr", "complete", "cancel"),
    ),
    "cert": (
        *("sign", "create", "import", "list", "expiring", "show", "inspect", "verify", "export", "p12"),
        *("revoke", "hold", "release", "metadata"),
    ),
    "profiles": ("list", "show", "create", "update", "delete"),
    "engines": (),
    "events": ("tail", "show", "types"),
    "log": ("status", "verify"),
    "history": ("rebuild",),
    "settings": (),
    "completion": (),
}

_LOADED = """
import sys
sys.argv = ["blazon", *{words!r}]
from blazon.cli.main import main
try:
    main()
except SystemExit as end:
    print(*sys.modules, sep="\\n", file=sys.stderr)
    sys.exit(end.code)
"""
_HEAVY = ("apsw", "argon2", "asyncio", "asyncpg", "blazon.app", "cryptography", "msgspec", "pika", "redis", "rich")
_HEAVY += ("httptools", "structlog", "uvloop")


def _modules(*words: str) -> set[str]:
    source = _LOADED.format(words=words)
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    return set(ended.stderr.split())


def test_help_lists_every_command(program: Program) -> None:
    out = program.ok("--help").out
    assert "Usage: blazon" in out
    assert "\n  blazon up                                  start here\n" in out
    assert all(f"\n  {name} " in out for name in COMMANDS)


def test_help_loads_nothing_heavy() -> None:
    assert not _modules("--help") & set(_HEAVY)


@pytest.mark.parametrize(
    "words",
    [
        *(("users", "list", "--help"), ("things", "import", "--help"), ("connect", "--help"), ("engines", "--help")),
        *(("ca", "create", "--help"), ("cert", "p12", "--help"), ("profiles", "create", "--help")),
    ],
    ids=" ".join,
)
def test_a_command_for_the_api_loads_no_database_and_no_server(words: tuple[str, ...]) -> None:
    loaded = _modules(*words)
    heavy = {"apsw", "asyncpg", "blazon.app", "cryptography", "httptools", "pika", "redis", "rich", "uvloop"}
    assert not loaded & heavy


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(program: Program, name: str) -> None:
    out = program.ok(name, "--help").out
    assert f"Usage: blazon {name}" in out
    assert all(f"\n  {sub} " in out for sub in COMMANDS[name])


@pytest.mark.parametrize("words", [(name, sub) for name, subs in COMMANDS.items() for sub in subs], ids="-".join)
def test_every_subcommand_has_help(words: tuple[str, str]) -> None:
    """Each has a sentence, and each option a meaning. In this process: there are many of them."""
    import click

    from blazon.cli.main import blazon

    group = blazon.get_command(click.Context(blazon), words[0])
    assert isinstance(group, click.Group)
    command = group.commands[words[1]]
    assert command.help
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert all(option.help for option in options)
    assert "--json" in {name for option in options for name in option.opts}


@pytest.mark.parametrize(
    "words",
    [(name, sub) for name in ("ca", "cert", "profiles") for sub in COMMANDS[name]] + [("engines",)],
    ids="-".join,
)
def test_a_command_about_certificates_shows_an_example_of_itself(program: Program, words: tuple[str, ...]) -> None:
    """Of a real line: click has not joined it with another one."""
    lines = program.ok(*words, "--help").lines
    assert any(line.startswith(f"  blazon {' '.join(words)}") for line in lines)


def test_no_command_is_help_and_code_2(program: Program) -> None:
    ended = program.run()
    assert ended.code == 2
    assert "Usage: blazon" in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["evnts"], "no such command 'evnts'. Did you mean 'events'?"),
        (["users", "lst"], "no such command 'lst'. Did you mean 'list'?"),
        (["events", "tail", "--typ", "x"], "no such option '--typ'. Did you mean"),
        (["groups", "create"], "missing argument 'NAME'"),
        (["users", "list", "--limit", "0"], "invalid value for '--limit'"),
        (["users", "create", "a@b.de", "--metadata", "[1]"], "this must be a JSON object"),
        (["users", "update", "me"], "say what to change"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_line_is_code_2_with_the_mend(program: Program, words: list[str], says: str) -> None:
    ended = program.run(*words)
    assert ended.code == 2
    assert ended.out == ""
    assert says in ended.err
    assert ended.err.startswith("blazon: ")
    assert "\nMore: blazon " in ended.err


def test_version(program: Program) -> None:
    from blazon import __version__

    assert program.ok("--version").out == f"blazon {__version__}\n"
