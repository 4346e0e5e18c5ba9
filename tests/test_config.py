"""Settings: precedence, sources, refusals."""

from __future__ import annotations

import contextlib
import datetime
import math
from pathlib import Path

import pytest

from rnnspike.config import ONLY_FLAGS, FitSettings, read_configuration, resolve_settings
from rnnspike.errors import ConfigError
from rnnspike.models.registry import to_choose


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
        "RNNSPIKE_FOLDS",
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
        ({"bin": "0"}, "not above zero"),
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


@pytest.mark.parametrize("name", ["allow_pickle", "follow_links"])
@pytest.mark.parametrize("value", ["true", "false"])
def test_what_opens_pickles_and_files_elsewhere_counts_on_the_command_line_alone(
    elsewhere: Path, name: str, value: str
) -> None:
    option = name.replace("_", "-")
    assert getattr(resolve_settings({name: True}, environment={})[0].read_options(), name)
    with pytest.raises(ConfigError, match=f"RNNSPIKE_{name.upper()}: {name} can only be given on the command line"):
        resolve_settings({name: True}, environment={f"RNNSPIKE_{name.upper()}": value})
    for file in ("rnnspike.toml", "xdg/rnnspike/config.toml"):
        (elsewhere / file).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / file).write_text(f"{option} = {value}\n")
        with pytest.raises(
            ConfigError, match=rf"toml: {option} can only be given .* since {ONLY_FLAGS[name]} .* give --{option}"
        ):
            resolve_settings({}, environment={})
        (elsewhere / file).unlink()


def test_every_setting_of_the_command_line_alone_is_its_option_and_off(elsewhere: Path) -> None:
    from rnnspike.cli.options import only_flags

    @only_flags
    def command() -> None: ...

    options = {parameter.name for parameter in command.__click_params__}
    assert options == set(ONLY_FLAGS) and not any(FitSettings.model_fields[name].default for name in ONLY_FLAGS)


@pytest.mark.parametrize(
    ("setting", "value", "cure"),
    [
        ("bin", 1, "--bin 1ms"),
        ("bin", 0.5, "--bin 0.5s"),
        ("window", [-200, 1000], "--window -200ms"),
        ("window", ["-200ms", 1000], "--window 1000ms"),
        ("window", [0, 0.001], "--window 0 0.001s"),
        ("segment", 2000, "--segment 2000ms"),
        ("burn-in", 500, "--burn-in 500ms"),
    ],
)
def test_bare_numbers_that_may_be_milliseconds_are_refused_in_files_too(
    elsewhere: Path, setting: str, value: object, cure: str
) -> None:
    (elsewhere / "rnnspike.toml").write_text(f"{setting} = {value}\n")
    with pytest.raises(ConfigError, match=f"rnnspike.toml: --{setting} .*{cure}"):
        resolve_settings({}, environment={})


def test_durations_of_plausible_size_or_with_a_unit_are_taken(elsewhere: Path) -> None:
    (elsewhere / "rnnspike.toml").write_text('bin = "1s"\nwindow = [-0.2, 1]\nsegment = 2\nburn-in = 0\n')
    settings, _ = resolve_settings({}, environment={"RNNSPIKE_EVENT_OFFSET": "-4000"})
    assert (settings.bin, settings.window, settings.segment) == (1.0, (-0.2, 1.0), 2.0)
    assert (settings.burn_in, settings.event_offset) == (0.0, -4000.0)


def test_a_number_in_python_is_seconds() -> None:
    assert FitSettings(bin=1.0, window=(-200.0, 1000.0)).window == (-200.0, 1000.0)


@pytest.mark.parametrize("name", list(FitSettings.model_fields))
def test_any_value_of_a_configuration_file_is_taken_or_refused(name: str) -> None:
    day = datetime.date(2024, 1, 1)
    for value in (5, 1.5, True, "x", "", day, [1, 2], [[1]], {"a": 1}, [], [day, day], math.nan, -1, 10**400):
        with contextlib.suppress(ValueError):  # pydantic's errors are ValueErrors
            FitSettings(**{name: value})


BLOCKS = """bin = "5ms"
seed = 1
[[recording]]
match = "mouse3_*"
bin = "4ms"
folds = 7
[[recording]]
match = "data/*day2.nwb"
bin = "3ms"
"""


@pytest.mark.parametrize(
    ("recording", "bin_s", "folds"),
    [
        ("mouse4_day1.nwb", 0.005, 5),
        ("mouse3_day1.nwb", 0.004, 7),
        ("elsewhere/mouse3_day2.nwb", 0.004, 7),
        ("./data//mouse4_day2.nwb", 0.003, 5),
        ("data/mouse3_day2.nwb", 0.003, 7),
        ("data/further/day2.nwb", 0.003, 5),
        ("more/data/day2.nwb", 0.005, 5),
        ("Mouse3_day1.nwb", 0.005, 5),
    ],
)
def test_settings_of_a_recording_are_those_of_the_blocks_that_match_its_name_or_path(
    elsewhere: Path, recording: str, bin_s: float, folds: int
) -> None:
    (elsewhere / "rnnspike.toml").write_text(BLOCKS)
    settings, sources = read_configuration({}, environment={}).resolve(Path(recording))
    assert (settings.bin, settings.folds, settings.seed) == (bin_s, folds, 1)
    assert sources["folds"] == ("default" if folds == 5 else 'rnnspike.toml [[recording]] match = "mouse3_*"')
    assert sources["seed"] == "rnnspike.toml"


def test_environment_and_flags_win_over_blocks_and_blocks_over_what_holds_for_all(elsewhere: Path) -> None:
    (elsewhere / "xdg" / "rnnspike").mkdir(parents=True)
    own = 'seed = 3\n[[recording]]\nmatch = "*"\nseed = 4\nmin-spikes = 9\nfolds = 3\n'
    (elsewhere / "xdg" / "rnnspike" / "config.toml").write_text(own)
    (elsewhere / "rnnspike.toml").write_text(BLOCKS)
    given = read_configuration({"folds": 10}, environment={"RNNSPIKE_BIN": "2ms"})
    settings, sources = given.resolve(Path("mouse3_day2.nwb"))
    assert (settings.bin, settings.folds, settings.seed, settings.min_spikes) == (0.002, 10, 1, 9)
    assert [sources[name] for name in ("bin", "folds", "seed")] == ["RNNSPIKE_BIN", "flag", "rnnspike.toml"]
    assert given.resolve()[0].min_spikes == 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[recording]]\nbin = "2ms"', "block 1: match is missing"),
        ('[[recording]]\nmatch = "a"\n[[recording]]\nmatch = 3', "block 2: match is 3, not text"),
        ('[[recording]]\nmatch = ["a", "b"]', "block 1: match is .*, not text"),
        ('[recording]\nmatch = "a"', r": recording is not a block \(write \[\[recording\]\]"),
        ("recording = [1]", ": recording is not a block"),
        ('[[recordings]]\nmatch = "a"', ": unknown setting 'recordings', did you mean 'recording'"),
        ('[[recording]]\nmach = "a"', "block 1: unknown setting 'mach', did you mean 'match'"),
        ('[[recording]]\nmatch = "a"\nfold = 5', "match = \"a\": unknown setting 'fold', did you mean 'folds'"),
        ('[[recording]]\nmatch = "a"\nfolds = "few"', 'match = "a": --folds .*whole number'),
        ('[[recording]]\nmatch = "a"\nbin = 1', 'match = "a": --bin .*--bin 1ms'),
        ('[[recording]]\nmatch = "a"\nout = "x"', 'match = "a": out is the same for all recordings'),
        ('[[recording]]\nmatch = "a"\nallow_pickle = true', 'match = "a": allow_pickle can only be given on the com'),
        (
            '[[recording]]\nmatch = "a"\nmin-spikes = true',
            'match = "a": --min-spikes cannot be true',
        ),
        ('[[recording]]\nmatch = "a"\nevents = 3', 'match = "a": --events should be a path, as text'),
        ('burn-in = "1s"\nburn_in = "2s"', ": --burn-in is there twice, once with - and once with _"),
    ],
)
def test_blocks_that_cannot_be_used_are_refused_whatever_they_match(elsewhere: Path, text: str, message: str) -> None:
    (elsewhere / "rnnspike.toml").write_text(text)
    with pytest.raises(ConfigError, match=rf"^rnnspike.toml.*{message}"):
        read_configuration({}, environment={})


def test_a_file_of_any_name_is_not_the_command_line(elsewhere: Path) -> None:
    (elsewhere / "flag").write_text("allow_pickle = true\n")
    with pytest.raises(ConfigError, match="flag: allow_pickle can only be given on the command line"):
        read_configuration({}, Path("flag"), environment={})


def test_patterns_that_match_no_recording_are_named(elsewhere: Path) -> None:
    (elsewhere / "rnnspike.toml").write_text(BLOCKS)
    given = read_configuration({}, environment={})
    assert given.unmatched([Path("data/day2.nwb")]) == ['rnnspike.toml [[recording]] match = "mouse3_*"']
    assert given.unmatched([Path("data/day2.nwb"), Path("mouse3_.nwb")]) == []


def test_all_models_stand_for_each_that_can_be_chosen() -> None:
    assert FitSettings(models=("glm", "all")).models == tuple(to_choose())


def test_a_variable_that_is_no_setting_names_the_command_that_lists_them(elsewhere: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"RNNSPIKE_LOG_FILE: unknown setting 'log_file' \(rnnspike config show lists"
    ):
        read_configuration({}, environment={"RNNSPIKE_LOG_FILE": "a.txt"})
