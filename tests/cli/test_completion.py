"""Completion: the script a shell loads, what it is answered, and a real bash that completes with it."""

import subprocess

import pytest

from tests.cli.pki import rows
from tests.cli.program import Program, Up

_SHELLS = ("bash", "zsh", "fish")


def _completed(program: Program, shell: str, line: str) -> set[str]:
    """What the program answers the script of a shell for a line."""
    words = line.split(" ")
    environment = {"_BLAZON_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    if shell == "fish":
        environment["COMP_CWORD"] = words[-1]
    lines = program.run(**environment).out.splitlines()
    if shell == "zsh":  # three lines an answer: kind, word, help
        return set(lines[1::3])
    return {answer.partition(",")[2].partition("\t")[0] for answer in lines}


@pytest.mark.parametrize("shell", _SHELLS)
def test_there_is_a_script_for_a_shell(program: Program, shell: str) -> None:
    ended = program.ok("completion", shell)
    assert "_BLAZON_COMPLETE" in ended.out
    assert ended.err == ""


@pytest.mark.parametrize("shell", _SHELLS)
def test_what_the_server_has_is_completed(running: Up, shell: str) -> None:
    program = running.program
    if "Completed" not in program.ok("ca", "list").out:
        program.ok("ca", "create", "Completed")
        program.ok("ca", "create", "Twins")
        program.ok("ca", "create", "Twins", "--same-name")
        program.ok("ca", "request", "Coming")
        program.ok("profiles", "create", "compact")
    twins = {row[0] for row in rows(program.ok("ca", "list")) if row[1] == "Twins"}
    assert _completed(program, shell, "blazon ca show C") == {"Completed"}
    assert _completed(program, shell, "blazon ca show ") >= {"Completed", *twins}
    assert "Twins" not in _completed(program, shell, "blazon ca show ")
    assert _completed(program, shell, "blazon ca create Below --parent C") == {"Completed"}
    assert _completed(program, shell, "blazon cert sign C") == {"Completed"}
    assert _completed(program, shell, "blazon cert list --ca C") == {"Completed"}
    assert _completed(program, shell, "blazon ca csr ") == {"Coming"}
    assert _completed(program, shell, "blazon profiles show com") == {"compact"}
    assert _completed(program, shell, "blazon ca create X --profile ") == {"compact"}
    assert _completed(program, shell, "blazon ca create X --engine ") == {"software"}
    assert _completed(program, shell, "blazon cert revoke x --reason key") == {"KeyCompromise"}
    assert {"revoke", "release", "request", "requests"} <= _completed(program, shell, "blazon ca re")


def test_nothing_is_completed_when_nobody_is_signed_in(program: Program) -> None:
    environment = {"_BLAZON_COMPLETE": "bash_complete", "COMP_WORDS": "blazon ca show ", "COMP_CWORD": "3"}
    assert program.run(**environment).out.strip() == ""


@pytest.mark.parametrize("shell", _SHELLS)
def test_commands_options_and_values_are_completed(program: Program, shell: str) -> None:
    assert {"up", "users", "events"} <= _completed(program, shell, "blazon ")
    assert _completed(program, shell, "blazon groups m") == {"members", "may"}
    assert "--follow" in _completed(program, shell, "blazon events tail --f")
    assert _completed(program, shell, "blazon events tail --type group.list") == {"group.list", "group.list_by_user"}
    assert _completed(program, shell, "blazon groups allow lab jo g_l") == {"g_list"}
    assert _completed(program, shell, "blazon channels allow lab jo c_s") == {"c_share"}
    assert _completed(program, shell, "blazon connect sensor --action m_") == {"m_read", "m_write"}
    assert _completed(program, shell, "blazon things import rows --format ") == {"csv", "jsonl"}
    assert _completed(program, shell, "blazon up --redis-embedded ") == {"yes", "no"}
    assert _completed(program, shell, "blazon up --log-level ") == {"debug", "info", "warning", "error"}
    assert _completed(program, shell, "blazon completion ") == set(_SHELLS)


def test_a_real_bash_completes(program: Program) -> None:
    """Loads the script and calls the function bash calls at Tab."""
    script = """
    eval "$(blazon completion bash)"
    COMP_WORDS=(blazon log ver) COMP_CWORD=2
    _blazon_completion blazon ver log
    echo "${COMPREPLY[@]}"
    complete -p blazon
    """
    ended = subprocess.run(
        ["bash", "--norc", "-c", script], env=program.environment, capture_output=True, text=True, check=True
    )
    replied, registered = ended.stdout.splitlines()
    assert replied == "verify"
    assert "-F _blazon_completion blazon" in registered
    assert ended.stderr == ""
