"""A recording in memory as an NWB file, written once: workers and later commands read it as any other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from pathlib import Path

from rnnspike.recording.contents import Contents
from rnnspike.recording.data import Covariate, Recording, Unit
from rnnspike.recording.provenance import recording_hash
from rnnspike.recording.write import write_nwb

#: Time series of more bytes than this are kept only where they are asked for.
MOST_SERIES_BYTES = 64_000_000


def keep(recording: Recording, folder: Path, covariates: Collection[str] = ()) -> Path:
    """Write a recording as NWB unless its file is there already, and return the file.

    It lies in a folder named by the hash of its contents, so that no other recording ever takes its place. What was
    given is written as it was given: reading it finds what was found wrong or odd in it.

    Parameters
    ----------
    recording
        A recording in memory.
    folder
        Where such files lie.
    covariates
        Time series that are kept whatever their size.
    """
    given = _as_given(recording)
    given = replace(given, covariates=small_series(given, covariates))
    given = replace(given, sha256=recording_hash(given))
    path = folder / given.sha256[:16] / f"{recording.path.name.removesuffix('.nwb') or 'recording'}.nwb"
    if not path.is_file():
        findings = [finding for finding in given.findings if finding.level != "error"]
        write_nwb(path, given, findings=findings)
    return path


def _as_given(recording: Recording) -> Recording:
    """Return a recording before checks and cleaning; where that is not known, as it is."""
    contents = recording.origin
    if not isinstance(contents, Contents):
        kept = {each.name: getattr(recording, each.name) for each in fields(Recording) if each.init}
        return Recording(**{**kept, "sha256": ""})
    units = [Unit(raw.id, raw.times, raw.observed, raw.metadata) for raw in contents.units]
    rounded = [finding for finding in recording.findings if finding.id == "float32-times"]  # NWB has float64
    return Recording(
        path=recording.path,
        sha256="",
        size_bytes=0,
        format=contents.format,
        units=tuple(units),
        intervals=contents.intervals,
        events=contents.events,
        covariates=contents.covariates,
        invalid_s=contents.invalid_s,
        session=contents.session,
        findings=(*contents.findings, *rounded),
    )


def small_series(recording: Recording, also: Collection[str] = ()) -> dict[str, Covariate]:
    """Return the time series of at most ``MOST_SERIES_BYTES``, and those of these names."""
    size = {name: 8 * each.n_samples * each.n_channels for name, each in recording.covariates.items()}
    kept = [name for name in size if size[name] <= MOST_SERIES_BYTES or name in also]
    return {name: recording.covariates[name] for name in kept}
