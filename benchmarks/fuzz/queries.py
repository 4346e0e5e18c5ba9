"""Right and hostile queries and settings: by option, settings file and environment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.cases import PSTH, Case, Corpus, Truth
from benchmarks.fuzz.texts import ATTACKS, hostile_text

OPTIONS = (
    "--trials", "--align", "--condition", "--covariate", "--units-table", "--events", "--bin", "--segment",
    "--time-scale", "--sampling-rate", "--event-offset", "--models",
)  # fmt: skip


def _clause(rng: np.random.Generator, columns: dict[str, Any]) -> tuple[str, np.ndarray]:
    """Return a comparison and which units it holds for."""
    name = str(rng.choice(["n_spikes", "depth", "quality", "id"]))
    values = columns[name]
    if name in ("n_spikes", "depth"):
        value = values[rng.integers(len(values))] + float(rng.choice([-0.5, 0, 0.5]))
        sign = str(rng.choice(["<", "<=", ">", ">=", "==", "!="]))
        holds = {"<": values < value, "<=": values <= value, ">": values > value, ">=": values >= value,
                 "==": values == value, "!=": values != value}[sign]  # fmt: skip
        return f"{name} {sign} {value}", holds
    if rng.random() < 0.5:
        chosen = [str(value) for value in rng.choice(values, 2)]
        negated = bool(rng.random() < 0.4)
        return f"{name} {'not ' * negated}in {chosen!r}", np.isin(values, chosen) ^ negated
    value = str(rng.choice(values))
    sign = str(rng.choice(["==", "!="]))
    return f'{name} {sign} "{value}"', (values == value) ^ (sign == "!=")


def _query(rng: np.random.Generator, truth: Truth) -> tuple[str, frozenset[str]]:
    """Return a query and the ids of the units it is to choose."""
    ids = np.array(list(truth.trains_s))
    columns = {
        "id": ids, "n_spikes": np.array(list(truth.counts().values()), float), "depth": 100.0 * np.arange(len(ids)),
        "quality": np.array([("good", "mua", "good")[i % 3] for i in range(len(ids))]),
    }  # fmt: skip
    text, holds = _clause(rng, columns)
    for _ in range(int(rng.integers(0, 3))):
        more, also = _clause(rng, columns)
        word = str(rng.choice(["and", "or", "and not"]))
        text = f"({text}) {word} ({more})" if rng.random() < 0.5 or word == "or" else f"({text}) {word} {more}"
        holds = {"and": holds & also, "or": holds | also, "and not": holds & ~also}[word]
    return text, frozenset(ids[holds].tolist())


def make(rng: np.random.Generator, corpus: Corpus, folder: Path) -> Case:
    """Ask for units in a right or hostile way, by option, settings file or environment."""
    (folder / "in").mkdir()
    shutil.copy(corpus.folder / "made.nwb", folder / "in" / "made.nwb")
    path = "in/made.nwb"
    if rng.random() < 0.35:
        query, units = _query(rng, corpus.truth)
        if units:
            return Case("right query", query, (*PSTH, path, f"--units={query}"), units=units)
    text = ATTACKS[rng.integers(len(ATTACKS))] if rng.random() < 0.7 else hostile_text(rng)
    text = text.replace("\ud800", "\udc80")
    fit = ("fit", path, "--dry-run", "--out", "out")
    how = int(rng.integers(4))
    if how == 0:
        return Case(
            "--units", text, (*(PSTH if rng.random() < 0.3 else fit), f"--units={text}".replace("\0", ""), path)[-99:]
        )
    if how == 1:
        _write_settings(rng, folder, text)
        command = fit if rng.random() < 0.7 else ("config", "show")
        return Case("rnnspike.toml", text, command)
    if how == 2:
        name = "RNNSPIKE_" + str(
            rng.choice(["UNITS", "WINDOW", "BIN", "MODELS", "SEED", "OUT", "ALLOW_PICKLE", "FOLDS", "X"])
        )
        return Case(
            "environment",
            f"{name}={text}",
            fit if rng.random() < 0.7 else ("config", "show"),
            environment={name: text.replace("\0", "")},
        )
    return Case("options", text, _odd_options(rng, path, text.replace("\0", "")))


def _odd_options(rng: np.random.Generator, path: str, text: str) -> tuple[str, ...]:
    option = str(rng.choice(OPTIONS))
    numbers = ("0", "-1", "nan", "inf", "1e308", "1e-308", "1ms", "1e9s", "5 ms", "٣", "1_000", "0x10", "")
    value = str(rng.choice(numbers)) if rng.random() < 0.5 else text
    return ("fit", path, "--dry-run", "--out", "out", f"{option}={value}")


def _write_settings(rng: np.random.Generator, folder: Path, text: str) -> None:
    quoted = json.dumps(text.encode("utf-8", "replace").decode())
    key = str(
        rng.choice(
            [
                "units",
                "window",
                "bin",
                "models",
                "seed",
                "allow_pickle",
                "events",
                "condition",
                "out",
                "uints",
                "trials",
                "recording",
            ]
        )
    )
    values = (
        quoted,
        quoted,
        f"[{quoted}]",
        "1",
        "-1",
        "nan",
        "inf",
        "true",
        "[]",
        "{}",
        "1979-05-27",
        f"{{x = {quoted}}}",
        '"1ms"',
        "9" * 40,
    )
    line = f"{key} = {values[rng.integers(len(values))]}\n"
    if rng.random() < 0.2:
        line += line
    if rng.random() < 0.3:
        match = values[rng.integers(len(values))] if rng.random() < 0.5 else '"*"'
        line = f"[[recording]]\nmatch = {match}\n{line}"
    (folder / "rnnspike.toml").write_text(line, encoding="utf-8")
