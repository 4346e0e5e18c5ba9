"""What the figures of one unit are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rnnspike.report import tallies
from rnnspike.report.load import Curves, Run


@dataclass(frozen=True)
class Shown:
    """A unit of a run, its curves, its models in their order, and the one or two that are drawn."""

    run: Run
    unit: str
    curves: Curves
    models: list[str]
    model: str
    base: str | None

    @classmethod
    def of(cls, run: Run, unit: str) -> Shown | None:
        """Return what is drawn of a unit: the model that the page speaks of, or the last one; None without curves."""
        curves = run.curves(unit)
        if not curves:
            return None
        models, headline = [str(model) for model in curves["models"]], tallies.headline_model(run)
        model = headline if headline in models else models[-1]
        base = "psth-gain" if "psth-gain" in models and model != "psth-gain" else None
        return cls(run, unit, curves, models, model, base)

    @property
    def drawn(self) -> list[tuple[str, int]]:
        """Models drawn, the chosen one last, each with its row in the arrays of all models."""
        return [(name, self.models.index(name)) for name in (self.base, self.model) if name]

    @property
    def drawn_free(self) -> list[tuple[str, int]]:
        """The same among the models that were run free."""
        free = [str(name) for name in self.curves.get("free_run.models", ())]
        return [(name, free.index(name)) for name in (self.base, self.model) if name in free]

    def by_model(self, name: str, suffix: str = "") -> dict[str, Any]:
        """Return the rows of an array of all models, as columns of a table."""
        return {f"{model}{suffix}": self.curves[name][k] for k, model in enumerate(self.models)}
