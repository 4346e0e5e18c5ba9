import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.dynamics.eigenvalues import (
    describe_tau,
    henrici,
    oscillations_hz,
    read_modes,
    stability,
    transient_growth,
)


@given(tau_s=st.floats(0.003, 5.0), frequency_hz=st.floats(0.0, 450.0))
def test_a_known_mode_is_read_back(tau_s, frequency_hz):
    value = np.exp(-0.001 / tau_s + 2j * np.pi * frequency_hz * 0.001)
    modes = read_modes(np.array([value]), 0.001)
    assert modes.tau_s[0] == pytest.approx(tau_s, rel=1e-6)
    assert modes.frequency_hz[0] == pytest.approx(frequency_hz, abs=1e-9)
    assert modes.quality[0] == pytest.approx(np.pi * frequency_hz * tau_s, rel=1e-6)


def test_growth_is_told_from_decay():
    modes = read_modes(np.array([np.exp(0.05), np.exp(-0.05)]), 0.001)
    assert modes.growth_s[0] == pytest.approx(0.02)
    assert np.isnan(modes.tau_s[0]) and np.isnan(modes.growth_s[1])
    assert modes.n_unstable == 1
    assert modes.damping[0] == -1 and modes.damping[1] == 1


def test_damping_of_a_damped_oscillator():
    """x'' + 2 zeta w x' + w^2 x = 0 sampled: lambda = exp((-zeta + i sqrt(1 - zeta^2)) w dt)."""
    zeta, omega = 0.2, 2 * np.pi * 10
    value = np.exp((-zeta + 1j * np.sqrt(1 - zeta**2)) * omega * 0.001)
    assert read_modes(np.array([value, value.conj()]), 0.001).damping == pytest.approx(zeta)


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (0.3, "< 2 bins"),
        (0.0, "< 2 bins"),
        (np.exp(-1 / 600), "> window"),
        (1.0, "neutral"),
        (-0.9, "Nyquist"),
        (0.9, ""),
    ],
)
def test_what_cannot_be_read_says_so(value, note):
    assert read_modes(np.array([value]), 0.001, window_s=0.5).note[0] == note


def test_zero_has_no_memory():
    modes = read_modes(np.zeros(2), 0.001)
    assert (modes.tau_s < 1e-5).all() and (modes.frequency_hz == 0).all()


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0.5, 0.9], "stable"), ([1.1, 0.9], "saddle"), ([1.1, 1.2j], "unstable"), ([1.0, 0.2], "neutral")],
)
def test_stability_counts_growing_directions(values, kind):
    assert stability(np.array(values, dtype=complex)) == kind


def test_oscillations_leave_out_the_grid_and_the_fleeting():
    at = lambda tau, f: np.exp(-1 / tau + 2j * np.pi * f * 0.001)
    values = np.array([at(50, 8), at(50, -8), at(200, 20), at(200, -20), -0.99, 0.99, at(1, 100), at(1, -100)])
    assert oscillations_hz(read_modes(values, 0.001)) == pytest.approx([20, 8])


def test_a_normal_matrix_has_no_departure_and_a_sheared_one_grows_first():
    rotation = 0.9 * np.array([[0.0, -1.0], [1.0, 0.0]])
    assert henrici(rotation, np.linalg.eigvals(rotation)) == pytest.approx(0, abs=1e-7)
    sheared = np.array([[0.9, 10.0], [0.0, 0.9]])
    assert henrici(sheared, np.linalg.eigvals(sheared)) == pytest.approx(10 / np.sqrt(100 + 2 * 0.81))
    slow = np.array([[0.999, 1.0], [0.0, 0.999]])
    both = np.stack([rotation, sheared, np.eye(2) * 1.1, slow])
    growth, at = transient_growth(both, np.linalg.eigvals(both))
    assert (growth[0], at[0]) == (1.0, 0) and growth[2] == at[2] == np.inf
    # |J^k| is about 10 k .9^(k-1), largest near k = -1/ln .9; of the slow one k .999^(k-1), near 1000
    assert growth[1] == pytest.approx(10 * 9 * 0.9**8, rel=0.02) and at[1] in (9, 10)
    assert growth[3] == pytest.approx(1000 * 0.999**999, rel=0.02) and at[3] == pytest.approx(1000, rel=0.1)


def test_words_for_a_time_constant():
    assert describe_tau(np.inf, "neutral") == describe_tau(np.nan, "") == "does not decay"
    assert describe_tau(1.0, "> window") == "> window"
