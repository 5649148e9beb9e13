"""Tables for people, JSON for programs, progress for those who wait."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import click

__all__ = ["counted", "one_line", "print_entity", "print_json", "print_page", "print_pairs", "print_table", "progress"]

_NEVER: Final = "0001-01-01T00:00:00Z"

_EVERY: Final = 0.1
"""Seconds between two updates of a progress line."""

_BAR: Final = 30
"""Characters of a progress bar."""

_PATIENCE: Final = 0.5
"""Seconds of work after which progress is shown at all."""


def print_json(value: Any) -> None:
    """One JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def one_line(text: str) -> str:
    """A text as it can stand in one line of a terminal: characters that steer it are written out."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def counted(number: int, noun: str) -> str:
    """A number of things in words: `1 CA`, `12 CAs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> None:
    """A table; columns as wide as the terminal lets them be. Piped on, each row is one line with tabs."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold", no_wrap=header == "ID")
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    console.print(table)
    if note:
        console.print(note)


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line."""
    pairs = list(pairs)
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        click.echo(f"{name:<{width}}  {one_line(value)}".rstrip())


def print_entity(entity: dict[str, Any], *, as_json: bool) -> None:
    """One user, group, thing or channel."""
    if as_json:
        print_json(entity)
        return
    flat = {**entity, **entity.get("credentials", {})}
    flat.pop("credentials", None)
    print_pairs(
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in flat.items()
        if value != _NEVER
    )


def print_page(
    page: dict[str, Any], of: str, headers: Sequence[str], rows: Sequence[Sequence[str]], *, as_json: bool
) -> None:
    """One page of a list, and how to see the next."""
    if as_json:
        print_json(page)
        return
    note = f"{len(rows)} of {page['total']} {of}"
    after = page["offset"] + len(rows)
    if rows and after < page["total"]:
        note += f"; for the next: --offset {after}"
    print_table(headers, rows, note)


def progress(doing: str) -> Callable[[int, int], None]:
    """What is told how many of how many are done: it shows that on a terminal, once the work takes a while.

    Work that never waits is deaf to Ctrl-C; here it hears of it.
    """
    started = time.monotonic()
    shown = started + _PATIENCE - _EVERY
    printed = False

    def tell(done: int, total: int) -> None:
        nonlocal shown, printed
        _stop_when_asked()
        now = time.monotonic()
        if done >= total:
            if printed:
                click.echo("\r\x1b[K", nl=False, err=True)
        elif now - shown > _EVERY and sys.stderr.isatty():
            left = (now - started) / done * (total - done) if done else 0
            bar = "█" * round(_BAR * done / total)
            click.echo(f"\r\x1b[K{doing} {bar:░<{_BAR}} {done / total:6.1%}  {left:.0f} s left", nl=False, err=True)
            shown, printed = now, True

    return tell


def _stop_when_asked() -> None:
    import asyncio

    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop: Ctrl-C comes as KeyboardInterrupt
        return
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
