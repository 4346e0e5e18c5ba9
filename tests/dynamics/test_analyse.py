from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnspike.dynamics.analyse import AnalysisOptions, DynamicsResult, NamedInput, analyse
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.drive import default_orbits, driven_orbits
from rnnspike.dynamics.network import Network, single
from rnnspike.dynamics.pictures import draw_memory, draw_state_space
from rnnspike.dynamics.rows import (
    COLUMNS,
    frequencies_hz,
    input_messages,
    result_rows,
    spread_text,
    tau_text,
)
from rnnspike.dynamics.state_dict import initialised_like
from rnnspike.dynamics.summary import shared_frequencies, summarise
from rnnspike.models.networks.cell import Readout
from rnnspike.rhythm import SpikeRhythm
from tests.dynamics.networks import BIN_S, flip_flops, linear_network, oscillator, random_network, ring

QUICK = AnalysisOptions(search=SearchOptions(n_starts=64), n_orbits=32, max_steps=500)


def result_of(network: Network, rng, *more: NamedInput, options: AnalysisOptions = QUICK, **kwargs) -> DynamicsResult:
    orbits = default_orbits(network, rng, n_trials=6, n_times=200)
    inputs = [NamedInput("silent", np.zeros(network.n_input)), *more]
    return analyse(network, orbits, inputs, rng, options=options, untrained=initialised_like(network, rng), **kwargs)


def rows_of(result: DynamicsResult, seed: int = 0) -> list[dict]:
    return result_rows(result, recording="r", unit="1", model="m", seed=seed)


def test_rows_of_an_oscillator(rng):
    row = rows_of(result_of(oscillator(40, 100), rng))[0]
    assert set(row) <= set(COLUMNS)
    assert row["slowest_tau_ms"] == pytest.approx(100) and row["frequencies_hz"] == pytest.approx([25])
    assert row["eigenvalue_tau_ms"] == pytest.approx(100) and row["measured_tau_ms"] == pytest.approx(100, rel=0.1)
    assert (row["n_fixed"], row["n_stable"], row["settles"]) == (1, 1, 1.0)
    assert row["superposition"] < 1e-12 and row["gradient_flow"] == "preserved"
    assert row["rhythm_period_ms"] == pytest.approx(40, rel=0.02)


def test_rows_of_flip_flops_and_a_ring_say_what_they_are(rng):
    flip = rows_of(result_of(flip_flops(2), rng))[0]
    assert (flip["n_fixed"], flip["n_stable"], flip["n_saddle"], flip["n_unstable"]) == (9, 4, 4, 1)
    assert flip["slowest_tau_note"] == "< 2 bins" and flip["superposition"] > 0.05
    around = rows_of(result_of(ring(24), rng))[0]
    assert around["continuum_dimension"] == 1 and "continuous attractor (line or ring" in around["message"]
    assert f"{around['n_fixed']} fixed and {around['n_slow']} slow points along it" in around["message"]
    line = rows_of(result_of(linear_network(np.diag([1.0, 0.5])), rng))[0]
    assert "the number of points depends on the number of starts only" in line["message"]


def test_chaotic_is_said_with_its_exponent_and_not_of_a_slow_drift(rng):
    result = result_of(random_network("rnn", 8), rng)
    looked = result.inputs[0]
    measured_s = 300 * result.network.bin_s
    for fold, how in (
        (9, "not settled"),
        (11, f"chaotic (largest Lyapunov exponent {np.log(11) / measured_s:.2g} per s)"),
    ):
        basins = replace(looked.basins, irregular=1.0, lyapunov_per_s=float(np.log(fold)) / measured_s)
        said = input_messages(result, replace(looked, basins=basins))
        assert f"100% of orbits {how} after {basins.n_steps} bins" in said


def test_each_input_has_a_row_and_the_loop_is_closed(rng):
    network = random_network("gru", 8)
    more = [NamedInput("condition a", np.ones(2)), NamedInput("closed-loop", np.zeros(2), (1,))]
    rows = rows_of(result_of(network, rng, *more))
    assert [row["input"] for row in rows] == ["silent", "condition a", "closed-loop"]
    assert len({round(row["slowest_tau_ms"], 9) for row in rows}) == 3


def test_a_learned_rhythm_is_confirmed_and_a_strange_one_is_not(rng):
    turning = oscillator(40, 300)
    network = Network(turning.layers, BIN_S, Readout(np.array([[0.3, 0.0]]), np.log([0.05])))
    loop = NamedInput("closed-loop", np.zeros(2), (0,))
    for period_s, learned in ((0.040, True), (0.055, False)):
        own = SpikeRhythm(period_s, 0.5, np.zeros(1), np.zeros(1))
        result = result_of(network, rng, loop, data_rhythm=own)
        assert result.rhythm.learned is learned, result.rhythm.sentence
        assert ("has not learned" in result.rhythm.sentence) is not learned


def test_gradients_that_fall_short_of_the_data_are_warned_of(rng):
    network = single("linear", [np.ones((1, 1)), np.full((1, 1), 0.5)], BIN_S)
    assert "training hardly used" in rows_of(result_of(network, rng, history_s=0.1))[0]["message"]


def test_the_same_seed_gives_the_same_rows():
    network = random_network("lstm", 4)
    first, second = (rows_of(result_of(network, np.random.default_rng(3))) for _ in range(2))
    assert first == second


def test_summary_has_the_range_over_seeds():
    rows = [{"recording": "r", "unit": "1", "model": "m", "input": "silent", "seed": k} for k in range(3)]
    for row, tau, frequencies in zip(rows, (10.0, 30.0, 20.0), ([8.0, 50.0], [8.2], [7.9, 20.0]), strict=True):
        row |= {"slowest_tau_ms": tau, "frequencies_hz": frequencies, "n_fixed": 1, "memory_horizon_ms": None}
    summary = summarise(rows)
    assert len(summary) == 1 and summary[0]["seed"] is None and summary[0]["n_seeds"] == 3
    assert [summary[0][f"slowest_tau_ms{end}"] for end in ("", "_low", "_high")] == [20, 10, 30]
    assert summary[0]["frequencies_hz"] == [8.0] and summary[0]["memory_horizon_ms"] is None
    assert tau_text(summary[0]) == "20 ms (10–30)"
    assert spread_text(summary[0], "n_fixed") == "1" and spread_text(summary[0], "memory_horizon_ms") is None


def test_a_summary_has_medians_of_all_numbers():
    rows = [
        {
            "recording": "r",
            "input": "mean",
            "seed": k,
            "bin_ms": 1.0,
            "loop_period_ms": period,
            "rhythm_learned": True,
        }
        for k, period in enumerate((20.0, 21.0, 21.0))
    ]
    (summary,) = summarise(rows)
    assert (summary["loop_period_ms"], summary["bin_ms"]) == (21.0, 1.0)
    assert summary["rhythm_learned"] is True


def test_summary_keeps_inputs_apart():
    rows = [{"recording": "r", "unit": "1", "model": "m", "input": name, "seed": 0} for name in ("silent", "mean")]
    assert [row["input"] for row in summarise(rows)] == ["silent", "mean"]


def test_frequencies_shared_by_half_of_the_seeds():
    assert shared_frequencies([[10.0], [10.4], []]) == [10.2]
    assert shared_frequencies([[10.0], [], []]) == []


def test_frequencies_start_with_limit_cycles(rng):
    result = result_of(oscillator(25, 60), rng)
    looked = result.inputs[0]
    assert frequencies_hz(looked.points, looked.basins.cycles) == pytest.approx([40.0])


@pytest.mark.parametrize("network", [flip_flops(2), random_network("lstm", 6), oscillator(25, 60), ring(16)])
def test_pictures_are_drawn(network, rng, tmp_path: Path):
    result = result_of(network, rng)
    for draw, name in ((draw_state_space, "space.png"), (draw_memory, "memory.png")):
        draw(result, tmp_path / name, "title")
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_orbits_given_are_the_ones_looked_at(rng):
    network = random_network("rnn", 6)
    inputs = rng.normal(size=(5, 120, 2))
    result = analyse(network, driven_orbits(network, inputs), [NamedInput("silent", np.zeros(2))], rng, options=QUICK)
    assert result.gating.superposition > 0.01 and result.untrained is None


def test_sentences_of_a_summary_are_about_its_medians():
    shared = {"recording": "r", "unit": "1", "model": "m", "input": "silent", "bin_ms": 1.0, "window_ms": 500.0}
    rows = [
        {**shared, "seed": k, "gate_tau_ms": 10.0, "eigenvalue_tau_ms": tau, "measured_tau_ms": 12.0}
        | {"reconciled": "r", "growing_share": 0.0, "history_ms": 100.0, "memory_horizon_ms": horizon}
        | {"data_period_ms": 50.0, "rhythm_period_ms": 51.0, "rhythm_learned": k > 0, "free_run_period_ms": 52.0}
        for k, (tau, horizon) in enumerate([(11.0, 500.0), (13.0, 80.0), (90.0, 60.0)])
    ]
    summary = summarise(rows)[0]
    assert "slowest mode 13 ms" in summary["reconciled"]
    assert "gradients only 80 ms" in summary["about_network"] and "learned by 2 of 3" in summary["about_network"]
    two = summarise(rows[:2])[0]["message"]
    assert "a range needs at least three" in two and "gradients only" not in two
