"""One colour a rung, in every figure: dark ones on white paper, light ones on a dark screen."""

from __future__ import annotations

#: Rung -> (on white, on dark). Each has a contrast of at least 3:1 with its ground (WCAG 2.1, 1.4.11).
COLOURS: dict[str, tuple[str, str]] = {
    "constant": ("#767676", "#a8a8a8"),
    "psth": ("#2f8fc4", "#7cc7f2"),
    "psth-gain": ("#1d5fa6", "#5b9fe6"),
    "renewal": ("#00805f", "#35c79f"),
    "glm": ("#a66f00", "#f0b429"),
    "linear-rnn": ("#7a5a12", "#cfa75a"),
    "rnn": ("#8a5a50", "#d3a397"),
    "gru": ("#6a55d6", "#b3a6ff"),
    "lstm": ("#b04a87", "#e59ac6"),
    "spike-lstm": ("#c04f00", "#ff8f4d"),
    "spike-lstm-glm": ("#8f2f7f", "#d77fce"),
    "stack": ("#c2143c", "#ff6f87"),
    "oracle": ("#3f7d24", "#8fd06e"),
}
OTHER = ("#6b7178", "#9aa4ae")


def on_paper(model: str) -> str:
    """Return a rung's colour on white."""
    return COLOURS.get(model, OTHER)[0]
