"""Every finding: a file that has it and one that has not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.recording.findings import FINDINGS, found, group_findings

Build = Callable[..., Path]


def steady(n: int = 50, every: float = 0.1, start: float = 0.05) -> np.ndarray:
    return start + every * np.arange(n)


#: Spike times without a rhythm.
DRAWN = np.sort(np.random.default_rng(0).uniform(0.0, 4.6, 200))


def units(file: h5py.File, place: str, trains: list[np.ndarray]) -> None:
    group = file.create_group(place)
    group.attrs["neurodata_type"] = "Units"
    group["id"] = np.arange(len(trains))
    group["spike_times"] = np.concatenate(trains)
    group["spike_times_index"] = np.cumsum([len(train) for train in trains])


def table(file: h5py.File, place: str, **columns: Any) -> None:
    group = file.create_group(place)
    group.attrs["colnames"] = list(columns)
    for name, values in columns.items():
        group[name] = values
    group["id"] = np.arange(len(values))


def without(*names: str) -> Callable[[h5py.File], None]:
    def drop(file: h5py.File) -> None:
        for name in names:
            del file[name]

    return drop


def extension(file: h5py.File) -> None:
    file.create_group("specifications/ndx-events")
    file.create_group("specifications/core")


def later_reference(file: h5py.File) -> None:
    del file["timestamps_reference_time"]
    file["timestamps_reference_time"] = "2020-02-28T00:00:00+00:00"


def broken_series(file: h5py.File) -> None:
    group = file.create_group("acquisition/sound")
    group["data"] = np.zeros(5)
    group["timestamps"] = h5py.SoftLink("/acquisition/gone/timestamps")


def old_version(file: h5py.File) -> None:
    del file.attrs["nwb_version"]
    file["nwb_version"] = "NWB-1.0.6"


def linked(file: h5py.File) -> None:
    del file["units/spike_times"]
    file["units/spike_times"] = h5py.ExternalLink("elsewhere.nwb", "/units/spike_times")


def table_elsewhere(target: str) -> Callable[[h5py.File], None]:
    def link(file: h5py.File) -> None:
        file["intervals/blocks"] = h5py.ExternalLink(target, "/intervals/blocks")

    return link


def text_for(name: str) -> Callable[[h5py.File], None]:
    def put(file: h5py.File) -> None:
        del file[name]
        file[name] = np.array([b"late", b"later", b"latest"])

    return put


def declared(name: str) -> Callable[[h5py.File], None]:
    def put(file: h5py.File) -> None:
        file.create_dataset(name, (10**8,), np.int32, chunks=(1024,))

    return put


def compound(name: str) -> Callable[[h5py.File], None]:
    def put(file: h5py.File) -> None:
        file[name] = np.zeros(1, [("a", "f8"), ("b", "i4")])

    return put


def repeated_ids(file: h5py.File) -> None:
    file["units/id"][...] = 7


def odd_column(file: h5py.File) -> None:
    file["intervals/trials/side"] = np.zeros(2)


ONE_UNIT = {"trains": [steady()]}
TWO_UNITS = {"trains": [steady(), steady(60, 0.09)]}
CLEAN = {"trains": [steady()], "observed": [[[0.0, 10.0]]]}


@dataclass
class Case:
    """How a bad file is built, and a good one like it; what the bad one counts."""

    bad: dict[str, Any]
    good: dict[str, Any] = field(default_factory=lambda: CLEAN)
    count: int | None = None


CASES: dict[str, Case] = {
    "no-units-table": Case({"also": without("units")}),
    "no-spike-times": Case({"also": without("units/spike_times")}),
    "units-table-ambiguous": Case(
        {"also": lambda f: (f.move("units", "processing/a/units"), units(f, "processing/b/units", [steady()]))}
    ),
    "units-index-broken": Case({**TWO_UNITS, "also": without("units/spike_times_index")}, TWO_UNITS),
    "nwb-1": Case({"also": old_version}),
    "link-broken": Case({"also": linked}),
    "link-outside": Case({"also": table_elsewhere(__file__)}, count=1),
    "clock-reset": Case({"trains": [np.concatenate([steady(), steady(30, start=0.01)])]}, count=1),
    "trial-relative-times": Case(
        {"trains": [np.tile(steady(20, 0.04, start=0.01) * 4, 3)], "trials": [(0, 4), (5, 9), (10, 14)]},
        {"trains": [np.concatenate([steady(20, 0.04) * 4 + start for start in (0, 5, 10)])]},
        count=60,
    ),
    "spike-times-scale": Case({"trains": [np.arange(1, 60) * 13.0]}, {"trains": [np.arange(1, 60) * 0.013]}),
    "event-times-scale": Case(
        {"trials": [(1000 * i, 1000 * i + 500) for i in range(6)]},
        {"trials": [(i, i + 0.5) for i in range(5)]},
        count=6,
    ),
    "spike-times-infinite": Case({"trains": [[*steady(), np.inf]]}, count=1),
    "event-times-equal": Case({"trials": [(0, 1), (0, 2), (0, 3)]}, count=3),
    "spike-times-unsorted": Case({"trains": [[0.1, 0.3, 0.2, 0.5, 0.4]]}, count=2),
    "spike-times-nan": Case({"trains": [[*steady(), np.nan, np.nan]]}, count=2),
    "spike-times-sentinel": Case({"trains": [[*steady(), -1, -1, -1]]}, {"trains": [[-1.0, *steady()]]}, count=3),
    "float32-times": Case({"dtype": np.float32}, count=50),
    "duplicate-spikes": Case({"trains": [[0.1, 0.1, 0.3, 0.3, 0.3, 0.4]]}, count=3),
    "short-isis": Case({"trains": [[0.1, 0.1005, 0.2]]}, {"trains": [[0.1, 0.101, 0.2]]}, count=1),
    "contaminated-unit": Case(
        {"trains": [np.sort(np.concatenate([steady(200), steady(20, 0.5) + 0.0005]))]}, count=20
    ),
    "units-share-spikes": Case(
        {"trains": [DRAWN, np.sort(np.concatenate([DRAWN[::4] + 1e-4, DRAWN + 0.3]))]},
        {"trains": [DRAWN, DRAWN + 0.3]},
        count=51,
    ),
    "units-identical": Case({"trains": [steady(), steady()]}, TWO_UNITS, count=50),
    "unit-ids-repeated": Case({**TWO_UNITS, "also": repeated_ids}, TWO_UNITS, count=1),
    "obs-intervals-overlap": Case(
        {"observed": [[[0.0, 3.0], [2.0, 6.0]]]}, {"observed": [[[0.0, 3.0], [3.0, 6.0]]]}, count=1
    ),
    "obs-intervals-bad": Case({"observed": [[[0.0, 6.0], [7.0, 7.0], [np.nan, 9.0]]]}, count=2),
    "spikes-outside-observed": Case({"observed": [[[0.0, 4.0]]]}, {"observed": [[[0.05, 4.95]]]}, count=10),
    "obs-intervals-open": Case({"observed": [[[0.0, 2.0], [3.0, np.inf]]]}, count=1),
    "invalid-times-bad": Case(
        {"also": lambda f: table(f, "intervals/invalid_times", start_time=[1.0, 2.0], stop_time=[1.5, np.nan])},
        {"also": lambda f: table(f, "intervals/invalid_times", start_time=[1.0, 2.0], stop_time=[1.5, np.inf])},
        count=1,
    ),
    "event-times-nan": Case({"trials": [(0, 1), (np.nan, 3), (4, np.nan)]}, count=1),
    "stop-times-nan": Case({"trials": [(0, 1), (2, np.inf), (4, np.nan)]}, count=2),
    "intervals-not-positive": Case({"trials": [(0, 1), (3, 2), (4, 4)]}, count=2),
    "table-column-broken": Case({"also": odd_column}, count=1),
    "table-broken": Case({"also": text_for("intervals/trials/start_time")}, count=1),
    "units-column-broken": Case({"also": compound("units/quality")}, count=1),
    "metadata-broken": Case({"also": declared("general/subject/species")}, count=1),
    "covariate-broken": Case({"also": broken_series}, count=1),
    "intervals-are-events": Case(
        {"also": lambda f: table(f, "intervals/licks", start_time=[1.0, 2.0], stop_time=[1.0, 2.0])},
        {"also": lambda f: table(f, "intervals/licks", start_time=[1.0, 2.0], stop_time=[1.1, 2.0])},
    ),
    "no-obs-intervals": Case(ONE_UNIT, count=1),
    "silent-unit": Case({"trains": [steady(), []]}, count=1),
    "negative-times": Case({"trains": [[-0.5, -0.2, 1.0]]}, count=2),
    "no-trials": Case({"trials": None}),
    "several-tables": Case(
        {"also": lambda f: table(f, "intervals/blocks", start_time=[0.0, 2.0], stop_time=[2.0, 5.0])}
    ),
    "several-units-tables": Case({"also": lambda f: units(f, "processing/ecephys/raw_units", [steady()])}),
    "extension-types": Case({"also": extension}),
    "reference-time-offset": Case({"also": later_reference}),
}
#: Findings of readers of other formats and of options: tested where those are.
ELSEWHERE = {
    "truncated": "formats/hdf5/test_h5",
    "locked": "formats/hdf5/test_h5",
    "filter-missing": "formats/hdf5/test_h5",
    "sampling-rate-missing": "formats/test_klustakwik, formats/test_phy",
    "sampling-rate-doubtful": "checks/test_clock, formats/test_phy",
    "pickle-refused": "formats/test_neo_formats",
    "segments-laid-out": "formats/test_segments",
    "trial-extent-assumed": "formats/test_segments",
    "blocks-left-out": "formats/test_neo_formats",
    "duplicates-dropped": "checks/test_assemble",
    "noise-clusters": "formats/test_phy, formats/test_neo_formats",
    **dict.fromkeys(("cluster-labels-differ", "cluster-labels-broken", "labels-without-spikes"), "formats/test_phy"),
    "clusters-from-templates": "formats/test_phy",
    "unsorted-clusters": "formats/test_klustakwik, formats/test_neuralynx",
    "tables-rescaled": "checks/test_rescale",
    "times-not-scaled": "checks/test_rescale",
    "events-shifted": "checks/test_rescale",
    "times-not-shifted": "checks/test_rescale",
    "events-file": "formats/text/test_events",
    "covariate-clock-reset": "checks/test_time_series",
    "covariate-empty": "checks/test_time_series",
    "covariate-off-trials": "checks/test_time_series",
    "covariate-unsorted": "checks/test_time_series",
    "covariate-infinite": "checks/test_time_series",
    "covariate-constant": "checks/test_time_series",
    "covariate-nan": "checks/test_time_series",
    **dict.fromkeys(
        ("rates-read-as", "rates-resampled", "rates-zero", "rates-level", "rates-shifted", "rates-in-sample"),
        "../rates/test_prepare",
    ),
    **dict.fromkeys(("rates-other-units", "rates-trial-order"), "../rates/test_order"),
    "rates-units-missing": "../runs/test_scoring",
}


def test_every_finding_has_a_bad_and_a_good_file() -> None:
    assert set(CASES) | set(ELSEWHERE) == set(FINDINGS)
    for finding_id, files in ELSEWHERE.items():
        for name in files.split(", "):
            assert finding_id in (Path(__file__).parent / f"{name}.py").read_text()


@pytest.mark.parametrize("finding_id", CASES)
def test_found_in_the_bad_file(finding_id: str, nwb: Build, findings_of: Callable[..., dict[str, int]]) -> None:
    counts = findings_of(nwb(**CASES[finding_id].bad))
    assert finding_id in counts
    if CASES[finding_id].count is not None:
        assert counts[finding_id] == CASES[finding_id].count


@pytest.mark.parametrize("finding_id", CASES)
def test_not_found_in_the_good_file(finding_id: str, nwb: Build, findings_of: Callable[..., dict[str, int]]) -> None:
    assert finding_id not in findings_of(nwb(**CASES[finding_id].good))


def test_a_clean_file_has_no_findings(nwb: Build, findings_of: Callable[..., dict[str, int]]) -> None:
    assert findings_of(nwb(**CLEAN)) == {}


def test_levels_are_those_of_the_style_guide() -> None:
    level = {finding_id: kind.level for finding_id, kind in FINDINGS.items()}
    assert level["clock-reset"] == level["spike-times-scale"] == level["spike-times-infinite"] == "error"
    assert level["no-units-table"] == level["event-times-equal"] == level["trial-relative-times"] == "error"
    assert level["spike-times-unsorted"] == level["spike-times-nan"] == level["duplicate-spikes"] == "warning"
    assert level["silent-unit"] == "info"
    assert FINDINGS["spike-times-scale"].option == "--time-scale"
    assert FINDINGS["duplicate-spikes"].option == "--drop-duplicates"


def test_findings_are_grouped_by_id_and_errors_come_first() -> None:
    several = [found("short-isis", f"unit {i}", count=i, unit=str(i)) for i in (1, 5, 2, 3)]
    groups = group_findings([*several, found("clock-reset", "unit 0: reset", count=1, unit="0")])
    assert [group.id for group in groups] == ["clock-reset", "short-isis"]
    assert groups[1].count == 11 and "5 (5), 3 (3), 2 (2), ..." in groups[1].message
