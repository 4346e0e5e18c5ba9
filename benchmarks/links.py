"""How often the rule for pairs of units is right on simulated networks whose links are known (science.md#links).

    python benchmarks/links.py
    python benchmarks/links.py mixed:16 one-way:12 hidden-drive:8 --seed 101 --trials 150

simulates each network (name:units; by default twenty) with seeds from ``--seed`` on, trials of 2 s, tests every pair
on cross-fitted GLMs, and prints per network and in all: links called directed, directed calls that are no link, and
what became of pairs on a common hidden drive.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator

import numpy as np

from rnnspike.evaluation.links import DIRECTED, Synchrony, verdicts
from rnnspike.models.glm.cross_fit import cross_fitted
from rnnspike.models.population.links import SourceTest, source_tests
from rnnspike.models.registry import build
from rnnspike.neurons.session import Session, SessionOptions, simulate_network
from rnnspike.runs.job import PlannedRecording
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import plan_trials
from rnnspike.trials.split import assign_folds

#: Networks of the figures in science.md, in the order of their seeds.
NETWORKS = (
    *("mixed:16", "mixed:16", "mixed:16", "mixed:24", "mixed:40", "mixed:12", "mixed:8"),
    *("one-way:12", "one-way:12", "one-way:20", "one-way:30", "one-way:8"),
    *("hidden-drive:8", "hidden-drive:8", "hidden-drive:16", "chain:6", "chain:12"),
    *("reciprocal:8", "reciprocal:12", "mixed:20"),
)


def network_tests(session: Session) -> tuple[dict[tuple[str, str], SourceTest], dict[frozenset[str], float]]:
    """Return the test of each (target, source) and the synchrony of each pair, over cross-fitted GLMs.

    A fit tests over the held-out mean of several GLMs instead.
    """
    plan = plan_trials(session.recording, TrialOptions(burn_in_s=0.5))
    planned = PlannedRecording(session.recording, plan, assign_folds(plan.condition, plan.group, 5), 5)
    tests: dict[tuple[str, str], SourceTest] = {}
    spikes, mus = [], []
    for unit in plan.unit_ids:
        trials = planned.trials([unit])
        (glm,) = build("glm").fit(trials, [trials], np.random.default_rng(0))
        mu = cross_fitted(glm, trials)[:, :, 0]  # type: ignore[arg-type]
        tests |= {(unit, test.source): test for test in source_tests(trials, np.log(mu))}
        spikes.append(trials.spikes[:, :, 0].ravel().astype(np.float64))
        mus.append(mu.ravel())
    total = Synchrony(len(mus), plan.observation)
    total.add(np.stack(spikes, 1), np.stack(mus, 1), np.ones((len(mus[0]), len(mus)), bool))
    ids, z = plan.unit_ids, total.z
    synchrony = {frozenset((a, b)): float(z[i, j]) for i, a in enumerate(ids) for j, b in enumerate(ids) if i < j}
    return tests, synchrony


def found_pairs(session: Session) -> dict[tuple[str, str], str]:
    """Return the verdict of each (target, source)."""
    tests, synchrony = network_tests(session)
    return {pair: verdict for pair, (_, verdict) in verdicts({k: t.p for k, t in tests.items()}, synchrony).items()}


def kinds(session: Session, found: dict[tuple[str, str], str]) -> Iterator[tuple[str, str]]:
    """Yield what each pair is (one-way link, its reverse, reciprocal, hidden drive, unlinked) and its verdict."""
    about = {unit.id: unit.metadata for unit in session.recording.units}
    links = {(target, source) for target in about for source in about[target]["driven_by"].split()}
    for pair, verdict in found.items():
        there, back = pair in links, pair[::-1] in links
        hidden = {about[unit]["hidden_drive"] for unit in pair}
        kind = "reciprocal" if there and back else "link" if there else "reverse of a link" if back else "unlinked"
        yield "hidden drive" if len(hidden) == 1 and hidden != {"none"} else kind, verdict


def main() -> None:
    """Simulate, test and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NAME:UNITS", default=NETWORKS)
    parser.add_argument("--seed", type=int, default=501)
    parser.add_argument("--trials", type=int, default=150)
    options = parser.parse_args()
    total: Counter[tuple[str, str]] = Counter()
    for k, network in enumerate(options.networks):
        name, n_units = network.split(":")
        layout = SessionOptions(options.trials, 2.0, inter_trial_s=0.5, seed=options.seed + k)
        session = simulate_network(name, int(n_units), layout)
        counts = Counter(kinds(session, found_pairs(session)))
        total += counts
        print(network, layout.seed, dict(counts), flush=True)
    print("in all", dict(total))
    links = sum(n for (kind, _), n in total.items() if kind == "link")
    calls = sum(n for (_, verdict), n in total.items() if verdict == DIRECTED)
    right = total["link", DIRECTED]
    print(f"links found {right} of {links}; directed calls that are no link {calls - right} of {calls}")


if __name__ == "__main__":
    main()
