"""``rnnspike config``: the settings in effect, and the source of each."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from rnnspike.cli.options import config_option, format_option
from rnnspike.cli.terminal.output import RowWriter, emit, plain_table, say
from rnnspike.wording import counted


@click.group("config")
def command() -> None:
    """Show the settings in effect, and the source of each.

    \b
    Examples:
      rnnspike config show
      rnnspike config show mouse3_day1.nwb
      RNNSPIKE_BIN=2ms rnnspike config show --format jsonl
      rnnspike config path
    """


@command.command()
@click.argument("recording", required=False, type=click.Path(path_type=Path), metavar="[RECORDING]")
@config_option
@format_option
def show(recording: Path | None, config_file: Path | None, output_format: str | None) -> None:
    """Show every setting of a fit: value, source and meaning; for a RECORDING with those of its own.

    Only the name of the recording counts; write it as for `rnnspike fit`.
    """
    from rnnspike.config import FitSettings, read_configuration

    configuration = read_configuration({}, config_file)
    settings, sources = configuration.resolve(recording)
    columns = ("setting", "value", "source", "meaning")
    writer = RowWriter(output_format, columns, partial(plain_table, columns=columns, prose=["value", "meaning"]))
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
    if recording is None and (patterns := configuration.patterns):
        blocks = counted(len(patterns), "[[recording]] block{s} {have} settings")
        say(f"rnnspike: {blocks} for some recordings only: rnnspike config show RECORDING")


@command.command()
def path() -> None:
    """Show the path of the user's own config file."""
    from rnnspike.config import user_config_path

    emit(f"{user_config_path()}\n")


def _plain(value: Any) -> Any:
    return " ".join(map(str, value)) if isinstance(value, list) else value
