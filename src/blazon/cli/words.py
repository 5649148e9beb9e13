"""Groups of commands that know what people type instead."""

from collections.abc import Mapping
from typing import Any

import click

__all__ = ["WordsGroup"]


class WordsGroup(click.Group):
    """A group that tells who types a word of `instead`, which is no command, what to type."""

    def __init__(self, *args: Any, instead: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._instead = instead

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does. Raises UsageError with what to type."""
        if args[0] in self._instead:
            raise click.UsageError(f"there is no `{ctx.command_path} {args[0]}`: {self._instead[args[0]]}", ctx)
        return super().resolve_command(ctx, args)
