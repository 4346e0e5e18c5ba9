"""Settings: precedence, sources, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnspike.config import resolve_settings
from rnnspike.errors import ConfigError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path


def test_flag_beats_environment_beats_file_beats_user_config(elsewhere: Path) -> None:
    (elsewhere / "xdg" / "rnnspike").mkdir(parents=True)
    (elsewhere / "xdg" / "rnnspike" / "config.toml").write_text('bin = "5ms"\nfolds = 7\nseed = 1\neffort = "fast"\n')
    (elsewhere / "rnnspike.toml").write_text('bin = "4ms"\nfolds = 6\nseed = 2\n')
    settings, sources = resolve_settings({"bin": "2ms"}, environment={"RNNSPIKE_BIN": "3ms", "RNNSPIKE_FOLDS": "8"})
    assert (settings.bin, settings.folds, settings.seed, settings.effort) == (0.002, 8, 2, "fast")
    assert [sources[key] for key in ("bin", "folds", "seed", "min_spikes")] == [
        "flag",
        "environment",
        "rnnspike.toml",
        "default",
    ]


def test_a_fast_fit_holds_out_fewer_folds_unless_told_otherwise(elsewhere: Path) -> None:
    given = [{}, {"effort": "fast"}, {"effort": "thorough"}, {"effort": "fast", "folds": 5}]
    assert [resolve_settings(flags)[0].folds for flags in given] == [5, 4, 5, 5]


def test_unknown_key_is_refused_with_the_closest(elsewhere: Path) -> None:
    (elsewhere / "rnnspike.toml").write_text("fold = 5\n")
    with pytest.raises(ConfigError, match=r"rnnspike.toml: unknown setting 'fold', did you mean 'folds'"):
        resolve_settings({})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"models": ["lstn"]}, "did you mean 'lstm'"),
        ({"bin": "fast"}, "--bin"),
        ({"bin": "0"}, "positive"),
        ({"window": ("1", "0")}, "start before"),
        ({"folds": 1}, "--folds"),
    ],
)
def test_values_that_cannot_be_used(flags: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_settings(flags, environment={})


def test_lists_from_the_environment_are_words() -> None:
    settings, _ = resolve_settings(
        {}, environment={"RNNSPIKE_MODELS": "constant,psth", "RNNSPIKE_WINDOW": "-200ms 1"}
    )
    assert settings.models == ("constant", "psth")
    assert settings.window == (-0.2, 1.0)


def test_broken_toml_names_the_file(elsewhere: Path) -> None:
    (elsewhere / "bad.toml").write_text("bin = \n")
    with pytest.raises(ConfigError, match=r"bad.toml: cannot be read as TOML"):
        resolve_settings({}, elsewhere / "bad.toml")
