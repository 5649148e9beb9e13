"""`blazon settings`."""

import os
from pathlib import Path
from typing import Any

import click

from blazon.app import TABLES
from blazon.cli.options import Discreet, as_json, every_setting, trace_settings
from blazon.cli.output import print_json, print_table
from blazon.settings import fields, unknown_variables

__all__ = ["command"]


@click.command("settings", cls=Discreet)
@every_setting(TABLES)
@as_json
def command(settings_file: Path | None, json_output: bool, **given: Any) -> None:
    """List every setting, its value, and where that comes from; a mistake in a file or a variable is named.

    Secrets are not shown. `http.listen` is `listen` under [http] in a file, BLAZON_HTTP_LISTEN in the environment and
    --http-listen as a flag; so are the others.
    """
    settings, places = trace_settings(settings_file, given, TABLES)
    found = [(field, field.show(field.value(settings)), places.get(field.key, "default")) for field in fields(TABLES)]
    for variable, close in unknown_variables(os.environ, TABLES):
        hint = f"; did you mean {close}?" if close else ""
        click.echo(f"blazon: there is no setting for {variable}{hint}", err=True)
    if json_output:
        print_json(
            [
                {
                    "setting": field.key,
                    "variable": field.variable,
                    "flag": field.flag,
                    "value": value,
                    "from": place,
                    "default": field.show(field.default),
                    "description": field.description,
                }
                for field, value, place in found
            ]
        )
    else:
        rows = [(field.key, value, place, field.description) for field, value, place in found]
        print_table(("SETTING", "VALUE", "FROM", "MEANING"), rows)
