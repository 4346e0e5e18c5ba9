"""Damaged, hostile and odd inputs by the thousand, each in a child with 30 s and 1 GB.

Prints outcomes by kind and format and the cases that failed; ``--keep`` keeps their files. A case follows from its
kind and seed alone: ``--replay KIND:SEED`` tries it again and shows what it said.

Usage: python -m benchmarks.fuzz [--cases 20000] [--seed 1] [--kinds bytes nwb runs names queries] [--jobs 1]
                                 [--keep DIR] [--replay KIND:SEED]
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.fuzz import corpus as seeds
from benchmarks.fuzz import damage, names, nwb_structure, oracle, queries, server, tampered_runs
from benchmarks.fuzz.cases import PSTH, Case, Corpus, Maker
from benchmarks.fuzz.server import Verdict, Work

#: Kind -> (what makes its cases, its share of them).
KINDS: dict[str, tuple[Maker, float]] = {
    "bytes": (damage.make, 0.3),
    "nwb": (nwb_structure.make, 0.3),
    "runs": (tampered_runs.make, 0.12),
    "names": (names.make, 0.14),
    "queries": (queries.make, 0.14),
}

#: Cases that share the process which makes and judges them.
BATCH = 25


def warm_up(corpus: Corpus, kinds: Iterable[str]) -> None:
    """Run each command once, so that the forked children find everything imported."""
    made, csv = str(corpus.folder / "made.nwb"), str(corpus.folder / "made.csv")
    for path in sorted(corpus.folder.iterdir()):
        if path.suffix in (".mat", ".nix", ".nev", ".plx", ".csv", ".txt", ".nwb"):
            _tried(["inspect", "--format", "table", str(path)])
    _tried(["inspect", "--format", "jsonl", csv, "--events", str(corpus.folder / "events.csv")])
    _tried([*PSTH, made, "--units", "n_spikes > 3"])
    _tried(["fit", made, "--dry-run", "--window", "0", "0.3"])
    _tried(["config", "show"])
    if "runs" in kinds:
        run = str(corpus.folder / "runs" / "one_unit")
        with tempfile.TemporaryDirectory() as folder:
            _tried(["report", run, "--out", f"{folder}/x.html"])
            _tried(["simulate", run, "--out", f"{folder}/x.nwb"])
            copy = shutil.copytree(run, f"{folder}/one_unit")
            _tried(["compare", str(copy)])
            _tried(["dynamics", str(copy), "--members", "1", "--starts", "8", "--no-pictures"])

    gc.collect()
    gc.freeze()  # so that a child's collection leaves shared pages alone


def _tried(arguments: list[str]) -> None:
    try:
        seeds.call_quietly(arguments)
    except Exception as error:
        print(f"warm-up: {' '.join(arguments)[:100]}: {type(error).__name__}: {error}", file=sys.stderr)


def work_of(kind: str, seed: int, corpus: Corpus, kept: Path | None, *, loud: bool = False) -> Work:
    """Return the work of a case: it is made, run and judged."""

    def unfinished(why: str) -> Verdict:
        return Verdict(kind, seed, "?", "", (), None, 0.0, 0.0, (why,))

    return Work(partial(_try_case, kind, seed, corpus, kept, loud), unfinished)


def _try_case(kind: str, seed: int, corpus: Corpus, kept: Path | None, loud: bool) -> Verdict:
    folder = Path(tempfile.mkdtemp(prefix="case-", dir=corpus.folder.parent))
    try:
        case = KINDS[kind][0](np.random.default_rng([seed, *kind.encode()]), corpus, folder)
        outcome = server.execute(case, folder)
        found, where = oracle.faults(case, outcome, folder)
        verdict = Verdict(
            kind, seed, case.form, _shown(case.what), tuple(map(_shown, case.arguments)), outcome.code,
            outcome.seconds, outcome.grown_bytes / 2**20, tuple(found), where, oracle.unforeseen(outcome),
        )  # fmt: skip
        if found and kept:
            server.keep(folder, kept / f"{kind}-{seed}", verdict, outcome)
        if loud:
            _show(case, outcome)
        return verdict
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _show(case: Case, outcome: server.Outcome) -> None:
    print(f"$ rnnspike {' '.join(case.arguments)!r}\n# {case.what!r}")
    for stream in (outcome.stdout, outcome.stderr):
        print(repr(stream.decode("utf-8", "backslashreplace"))[1:-1].replace("\\n", "\n")[:6000])


def tasks(kinds: list[str], n_cases: int, seed: int) -> list[tuple[str, int]]:
    """Return (kind, seed) of each case, kinds mixed by their share."""
    shares = np.array([KINDS[kind][1] for kind in kinds])
    counts = np.diff(np.rint(np.cumsum([0, *shares / shares.sum()]) * n_cases).astype(int))
    base = seed * 1_000_000
    listed = [(i / count, kind, base + i) for kind, count in zip(kinds, counts, strict=True) for i in range(count)]
    return [(kind, number) for _, kind, number in sorted(listed)]


def served(share: list[tuple[str, int]], corpus: Corpus, kept: Path | None) -> Iterator[Verdict]:
    """Yield the verdicts of a share of the cases, tried in children of this process."""
    warm_up(corpus, {kind for kind, _ in share})
    works = [work_of(kind, seed, corpus, kept) for kind, seed in share]
    for start in range(0, len(works), BATCH):
        yield from server.isolated(works[start : start + BATCH])


def campaign(work: list[tuple[str, int]], jobs: int, corpus: Corpus, kept: Path | None) -> Iterator[Verdict]:
    """Yield the verdicts of all cases as they come."""
    if jobs == 1:
        yield from served(work, corpus, kept)
        return
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.SimpleQueue[Verdict] = context.SimpleQueue()

    def serve(share: list[tuple[str, int]]) -> None:
        for verdict in served(share, corpus, kept):
            answers.put(verdict)

    workers = [context.Process(target=serve, args=(work[i::jobs],)) for i in range(jobs)]
    for worker in workers:
        worker.start()
    yield from (answers.get() for _ in work)
    for worker in workers:
        worker.join()


def build_apart(folder: Path, *, with_run: bool) -> Corpus:
    """Build the corpus in a process of its own, so that this one stays small and quick to fork."""
    builder = multiprocessing.get_context("fork").Process(
        target=seeds.build, args=(folder,), kwargs={"with_run": with_run}
    )
    builder.start()
    builder.join()
    if builder.exitcode:
        raise SystemExit(f"the corpus could not be built (exit code {builder.exitcode})")
    return seeds.described(folder)


def summary(verdicts: list[Verdict]) -> str:
    """Return the table of outcomes by kind and format, and the failed cases by fault and place."""
    lines = [
        f"{'kind':8} {'format':15} {'cases':>6} {'ok':>6} {'refused':>8} {'failed':>7} {'max s':>6} {'max MiB':>8}"
    ]
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.kind, verdict.form].append(verdict)
    for (kind, form), group in sorted(groups.items()):
        ok, failed = sum(v.code == 0 for v in group), sum(bool(v.faults) for v in group)
        refused = sum(bool(v.code) and not v.faults for v in group)
        slowest, largest = max(v.seconds for v in group), max(v.megabytes for v in group)
        lines.append(f"{kind:8} {form:15} {len(group):6} {ok:6} {refused:8} {failed:7} {slowest:6.1f} {largest:8.0f}")
    causes: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        for fault in verdict.faults:
            causes[_cause(fault), verdict.where].append(verdict)
    for (fault, where), group in sorted(causes.items(), key=lambda item: -len(item[1])):
        lines.append(f"\n{len(group)} x {fault}  {where}")
        lines += [f"    {v.kind}:{v.seed}  {v.form}: {v.what[:110]!r}" for v in group[:4]]
        lines.append(f"    {next(f for f in group[0].faults if _cause(f) == fault)[:240]!r}")
    guarded = Counter(verdict.unforeseen[:60] for verdict in verdicts if verdict.unforeseen)
    if guarded:
        lines.append("\nerrors that no message was written for, each told in one line:")
        examples = {verdict.unforeseen[:60]: verdict for verdict in verdicts}
        lines += [
            f"{n:5} {text!r}  {examples[text].kind}:{examples[text].seed}" for text, n in guarded.most_common(40)
        ]
    codes = Counter(str(v.code) for v in verdicts)
    lines.append(f"\n{len(verdicts)} cases, {sum(bool(v.faults) for v in verdicts)} failed; exit codes {dict(codes)}")
    return "\n".join(lines)


def _cause(fault: str) -> str:
    """Return a fault without its numbers and names, to count those of one cause together."""
    kind, _, detail = fault.partition(": ")
    return f"{kind}: {detail.split(':')[0][:60]}" if kind in ("traceback", "warning") else kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the files of cases that fail")
    parser.add_argument("--replay", metavar="KIND:SEED", help="try one case again and show it")
    parser.add_argument(
        "--corpus", type=Path, help="folder of seed files to make or use again (default: a temporary one)"
    )
    parser.add_argument(
        "--jsonl", action="store_true", help="print every verdict as a line of JSON instead of the table"
    )
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        replayed = [given.replay.partition(":")[::2]] if given.replay else []
        work = [(kind, int(seed)) for kind, seed in replayed] or tasks(given.kinds, given.cases, given.seed)
        folder = (given.corpus or Path(temporary) / "corpus").resolve()
        corpus = build_apart(folder, with_run=any(kind == "runs" for kind, _ in work))
        if replayed:
            warm_up(corpus, {kind for kind, _ in work})
            (verdict,) = server.isolated([work_of(*work[0], corpus, given.keep, loud=True)])
            print(json.dumps(asdict(verdict), indent=1))
            return int(bool(verdict.faults))
        began = time.monotonic()
        verdicts = []
        for verdict in campaign(work, given.jobs, corpus, given.keep):
            verdicts.append(verdict)
            if given.jsonl:
                print(json.dumps(asdict(verdict)), flush=True)
                continue
            for fault in verdict.faults:
                print(f"{verdict.kind}:{verdict.seed} {fault[-1000:]!r}", file=sys.stderr)
            if len(verdicts) % 200 == 0:
                failed = sum(bool(v.faults) for v in verdicts)
                print(f"{len(verdicts)} cases, {failed} failed, {time.monotonic() - began:.0f} s", file=sys.stderr)
    if not given.jsonl:
        print(summary(verdicts))
    return int(any(verdict.faults for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
