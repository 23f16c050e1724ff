"""``greenroom config``: the settings that hold."""

import json

import click
from msgspec.structs import asdict

from greenroom.settings import shown_settings, unknown_variables


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
def config(as_json: bool) -> None:
    """Print every setting, the value that holds, and where it comes from; no secrets.

    Exit status 1 when one does not parse, with its name and what it accepts.
    """
    shown = shown_settings()
    for sentence in unknown_variables():
        click.echo(f"Warning: {sentence}", err=True)
    if as_json:
        click.echo(json.dumps([asdict(setting) for setting in shown], indent=2))
        return
    names = max(len(setting.name) for setting in shown)
    sources = max(len(setting.source) for setting in shown)
    for setting in shown:
        click.echo(f"{setting.name:{names}}  {setting.source:{sources}}  {setting.value}")
