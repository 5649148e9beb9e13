"""`blazon completion`."""

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]

# \b keeps click from joining the lines that follow it.
_HELP = """Print the script that completes commands in a shell.

\b
bash:  blazon completion bash >> ~/.bashrc
zsh:   blazon completion zsh >> ~/.zshrc    (after compinit)
fish:  blazon completion fish > ~/.config/fish/completions/blazon.fish
"""


@click.command("completion", help=_HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Prints what click has for a shell."""
    from blazon.cli.main import blazon

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(blazon, {}, "blazon", "_BLAZON_COMPLETE").source())
