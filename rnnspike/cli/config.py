"""``rnnspike config``: settings in force, and where each comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rnnspike.cli.options import format_option
from rnnspike.cli.output import RowWriter


@click.group("config")
def command() -> None:
    """Show the settings in force and where each comes from.

    \b
    Examples:
      rnnspike config show
      RNNSPIKE_BIN=2ms rnnspike config show --format jsonl
      rnnspike config path
    """


@command.command()
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Read this file, not ./rnnspike.toml.")
@format_option
def show(config_file: Path | None, output_format: str | None) -> None:
    """Show every setting of a fit: value, source and meaning."""
    from rnnspike.config import FitSettings, resolve_settings

    settings, sources = resolve_settings({}, config_file)
    writer = RowWriter(output_format, ["setting", "value", "source", "meaning"])
    for name, value in settings.model_dump(mode="json").items():
        writer.write(
            {
                "setting": name.replace("_", "-"),
                "value": _plain(value) if writer.format == "table" else value,
                "source": sources[name],
                "meaning": FitSettings.model_fields[name].description,
            }
        )
    writer.close()


@command.command()
def path() -> None:
    """Show where the user's own config lies."""
    from rnnspike.config import user_config_path

    click.echo(user_config_path())


def _plain(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
