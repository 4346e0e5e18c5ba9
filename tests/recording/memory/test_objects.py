from __future__ import annotations

from collections import UserDict
from types import SimpleNamespace
from typing import Any

import neo
import numpy as np
import pandas as pd
import pytest
import quantities as pq

from rnnspike.errors import ConfigError
from rnnspike.recording.memory.objects import contents_of

TIMES = {5: np.arange(50) / 10 + 0.05, 7: np.arange(30) / 10 + 0.02}
TRIALS = pd.DataFrame({"start_time": [0.0, 1.0, 2.0], "stop_time": [0.5, 1.5, 2.5]})


def made_by(package: str, name: str, *bases: type, **members: Any) -> type:
    """A class that is called as one of another package."""
    return type(name, bases, {**members, "__module__": f"{package}.core.somewhere"})


def group(**members: Any) -> Any:
    trains = {unit: SimpleNamespace(t=times) for unit, times in TIMES.items()}
    found = made_by("pynapple", "TsGroup", UserDict)(trains)
    vars(found).update(members)
    return found


def test_pynapple() -> None:
    support = SimpleNamespace(start=np.array([0.0]), end=np.array([6.0]))
    intervals = SimpleNamespace(
        start=np.array([0.0, 1.0]), end=np.array([0.5, 1.5]), metadata=pd.DataFrame({"side": ["l", "r"]})
    )
    metadata = pd.DataFrame({"rate": [1.0, 2.0], "area": ["a", "b"]}, index=[5, 7])
    _, contents = contents_of(group(time_support=support, metadata=metadata), intervals)
    assert [(unit.id, dict(unit.metadata)) for unit in contents.units] == [("5", {"area": "a"}), ("7", {"area": "b"})]
    assert contents.units[0].observed is not None and contents.units[0].observed.tolist() == [[0.0, 6.0]]
    assert contents.intervals["trials"].to_dict("list") == {
        "start_time": [0.0, 1.0],
        "stop_time": [0.5, 1.5],
        "side": ["l", "r"],
    }


def test_a_time_support_that_is_the_extent_of_the_spikes_says_nothing() -> None:
    support = SimpleNamespace(start=np.array([0.02]), end=np.array([4.95]))
    _, contents = contents_of(group(time_support=support), TRIALS)
    assert contents.units[0].observed is None and contents.format == "pynapple"


def test_one_train_keeps_its_time_support() -> None:
    support = SimpleNamespace(start=np.array([0.0, 4.0]), end=np.array([3.0, 6.0]))
    train = made_by("pynapple", "Ts", t=TIMES[5], time_support=support)()
    _, contents = contents_of(train, TRIALS)
    assert contents.units[0].observed is not None
    assert contents.units[0].observed.tolist() == [[0.0, 3.0], [4.0, 6.0]]


def sorting(n_segments: int = 1) -> Any:
    members = {
        "unit_ids": np.array([5, 7]),
        "get_num_segments": lambda self: n_segments,
        "get_unit_spike_train": lambda self, unit_id, return_times: TIMES[unit_id],
        "get_property_keys": lambda self: ["quality", "amplitudes"],
        "get_property": lambda self, name: np.array(["good", "mua"]) if name == "quality" else np.zeros((2, 3)),
        "get_sampling_frequency": lambda self: 30_000.0,
    }
    base = made_by("spikeinterface", "BaseSorting")
    return made_by("spikeinterface", "NumpySorting", base, **members)()


def test_spikeinterface() -> None:
    _, contents = contents_of(sorting(), TRIALS)
    assert [(unit.id, dict(unit.metadata)) for unit in contents.units] == [
        ("5", {"quality": "good"}),
        ("7", {"quality": "mua"}),
    ]
    assert contents.units[1].times.tolist() == TIMES[7].tolist() and contents.resolution_s == 1 / 30_000
    with pytest.raises(ConfigError, match=r"the sorting has 2 segments.*select_segments"):
        contents_of(sorting(2), TRIALS)


def test_the_packages_themselves() -> None:
    nap = pytest.importorskip("pynapple")
    found = nap.TsGroup({unit: nap.Ts(times) for unit, times in TIMES.items()}, metadata={"area": ["a", "b"]})
    _, contents = contents_of(found, nap.IntervalSet(start=[0, 1], end=[0.5, 1.5], metadata={"side": ["l", "r"]}))
    assert [unit.metadata["area"] for unit in contents.units] == ["a", "b"]
    assert contents.intervals["trials"]["side"].tolist() == ["l", "r"]
    core = pytest.importorskip("spikeinterface.core")
    samples = {unit: np.round(times * 30_000).astype(int) for unit, times in TIMES.items()}
    _, contents = contents_of(core.NumpySorting.from_unit_dict([samples], 30_000.0), TRIALS)
    assert contents.units[0].times == pytest.approx(TIMES[5], abs=1e-4)


def train(times: np.ndarray, name: str) -> neo.SpikeTrain:
    return neo.SpikeTrain(times, units="s", t_start=0 * pq.s, t_stop=6 * pq.s, name=name)


def test_neo() -> None:
    segment = neo.Segment(name="one")
    segment.spiketrains.append(train(TIMES[5], "a"))
    segment.epochs.append(neo.Epoch(times=[0, 1] * pq.s, durations=[0.5, 0.5] * pq.s, labels=["l", "r"], name="stim"))
    name, contents = contents_of(segment)
    assert name == "one" and list(contents.intervals) == ["stim"] and contents.in_memory
    _, contents = contents_of(segment, TRIALS)
    assert list(contents.intervals) == ["trials", "stim"]
    block = neo.Block(name="blk")
    for _ in range(3):
        block.segments.append(neo.Segment())
        block.segments[-1].spiketrains.append(train(TIMES[7], "a"))
    name, contents = contents_of(block)
    assert name == "blk" and len(contents.intervals["trials"]) == 3 and len(contents.units) == 1
    assert [finding.id for finding in contents.findings] == ["segments-laid-out"]
