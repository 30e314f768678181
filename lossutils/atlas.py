"""What is claimed of each loss: the entries of ``atlas.toml``, and the cards made of them."""

import functools
import tomllib
from importlib import resources
from typing import Any

from lossutils.engine import LossFunction

__all__ = ["Card", "card", "entries"]

_LIBRARIES = {"torch": "PyTorch", "keras": "Keras", "sklearn": "scikit-learn", "optax": "optax"}
_PREDICTS = {
    "mean": "the mean",
    "median": "the median",
    "quantile": "a quantile",
    "expectile": "an expectile",
    "compromise": "a compromise of mean and median",
    "mode-like": "the center of the nearest crowd, wherever the outliers are",
    "log of the mean": "the logarithm of the mean",
    "geometric mean": "the geometric mean",
    "probability": "the probability of each class",
    "distribution": "where the target will be, and how far off that can be",
    "class": "a class, with no probability",
    "target": "what the target is",
    "order": "an order: the better one scores higher",
    "closeness": "places: what matches is near, what doesn't is far",
    "opponent": "what the other network takes for right",
    "balance": "a compromise between several losses",
}


@functools.cache
def entries() -> dict[str, dict[str, Any]]:
    """Return the atlas: for each loss's name, a dict of what is claimed of it.

    Examples
    --------
    >>> entries()["huber_loss"]["predicts"]
    'compromise'
    """
    return tomllib.loads(resources.files("lossutils").joinpath("atlas.toml").read_text(encoding="utf-8"))


class Card:
    """A loss on one card; shown as Markdown in a notebook. Made by `card`."""

    def __init__(self, entry: dict[str, Any]):
        self.entry = entry

    def markdown(self) -> str:
        """The card as Markdown text."""
        entry = self.entry
        names = [f"{_LIBRARIES[library]} `{name}`" for library, name in entry["names"].items()]
        rows = {
            "Formula": f"${entry['formula']}$",
            "Makes you predict": _PREDICTS[entry["predicts"]],
            "Pulls": entry["pull"],
            "Use it when": entry["use"],
            "It breaks with": entry["breaks"],
            "Names": ", ".join(names) or "in none of PyTorch, Keras, scikit-learn, optax",
        }
        lines = [f"**{entry['title']}**", ""] + [f"- **{label}:** {text}" for label, text in rows.items()]
        return "\n".join(lines)

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __repr__(self) -> str:
        return f"Card: {self.entry['title']}"


def card(function: LossFunction) -> Card:
    """Return the card of a loss: what it predicts, how it pulls, when to use it, and its names elsewhere.

    Parameters
    ----------
    function : callable
        A loss from ``lossutils.functional``.

    Raises
    ------
    KeyError
        If the loss has no entry in ``atlas.toml``.

    Examples
    --------
    >>> import lossutils.functional as F
    >>> print(card(F.mse_loss).markdown().splitlines()[3])
    - **Makes you predict:** the mean
    """
    return Card(entries()[function.__name__])
