"""What commands print: one line stays one line, a table in a pipe is tabs, long work hears Ctrl-C."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.cli.output import one_line, print_json, print_pairs, print_table, progress


@given(st.text())
def test_a_line_is_a_line_and_steers_no_terminal(text: str) -> None:
    shown = one_line(text)
    assert shown.isprintable() or not shown
    assert shown == text or not text.isprintable()


def test_a_table_in_a_pipe_is_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID", "NAME"), [("1", "a\tb\nc"), ("2", "")], "2 of 2")
    assert capsys.readouterr().out == "1\ta\\tb\\nc\n2\t\n"


def test_pairs_stand_in_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_pairs([("a", "1"), ("longer", ""), ("b", "x\ny")])
    assert capsys.readouterr().out == "a       1\nlonger\nb       x\\ny\n"
    print_pairs([])
    assert capsys.readouterr().out == ""


def test_json_is_utf_8(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zoë"})
    out = capsys.readouterr().out
    assert '"Zoë"' in out
    assert json.loads(out) == {"name": "Zoë"}


async def test_long_work_that_never_waits_hears_that_it_shall_stop() -> None:
    tell = progress("Working")
    done = 0

    async def work() -> None:
        nonlocal done
        while True:
            done += 1
            if done == 3:
                task.cancel()  # as Ctrl-C does
            tell(done, 1000)

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == 3


def test_without_a_terminal_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        tell = progress("Working")
        for done in (0, 1, 2):
            tell(done, 2)

    asyncio.run(work())
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_progress_is_told_outside_of_a_loop_too(capsys: pytest.CaptureFixture[str]) -> None:
    tell = progress("Working")
    tell(1, 2)
    tell(2, 2)
    assert capsys.readouterr().err == ""
