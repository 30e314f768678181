"""`guide`: what is wanted and what makes it hard, answered by a shortlist of losses."""

import itertools
import tomllib
from importlib import resources

import traitlets

from lossutils.explore.base import PageWidget, markup, module


def guide(answers, troubles, shortlist, notes):
    """Let the reader say what the answer should be and what makes the job hard, and show which losses are left.

    In a page without scripts, and in a book on an e-reader, each answer is followed by its losses and notes in a fold.

    Parameters
    ----------
    answers : list of str
        What can be wanted; the reader picks one.
    troubles : dict of str to str
        Names of what can make the job hard, each with its label; the reader checks any of them.
    shortlist : callable
        ``shortlist(answer, **troubles)`` with a bool for each trouble returns a dict of entries of the atlas, by name.
        It is called for every combination.
    notes : dict of str to dict of str to str
        ``notes[trouble][answer]``: what that trouble changes there.

    Returns
    -------
    Guide

    Raises
    ------
    ValueError
        There is no answer or no trouble, or a note is missing.

    Examples
    --------
    >>> from lossutils.atlas import entries
    >>> names = {"mean": ["mse_loss"], "median": ["l1_loss"]}
    >>> guide(list(names), {"wild": "wild targets"},
    ...       lambda answer, wild: {n: entries()[n] for n in names[answer] if entries()[n]["robust"] or not wild},
    ...       {"wild": {"mean": "Nothing is left.", "median": "Robust."}})
    guide: what the answer should be, and what makes the job hard
    - mean: Squared error (MSE)
    - median: Absolute error (MAE)
    """
    return Guide(answers, troubles, shortlist, notes)


def load_notes():
    """Read what each trouble changes for each answer in chapter 25 from ``lossutils/data/guide.toml``.

    Returns
    -------
    dict of str to dict of str to str

    Examples
    --------
    >>> sorted(load_notes())
    ['costs', 'rare', 'wild']
    """
    text = resources.files("lossutils.data").joinpath("guide.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


class Guide(PageWidget):
    """The widget that `guide` makes; see there."""

    _esm = module("guide")

    kind = traitlets.Unicode("guide").tag(sync=True)
    answers = traitlets.List().tag(sync=True)
    troubles = traitlets.List().tag(sync=True)
    notes = traitlets.List().tag(sync=True)
    cards = traitlets.Dict().tag(sync=True)
    lists = traitlets.Dict().tag(sync=True)

    def __init__(self, answers, troubles, shortlist, notes):
        if not answers or not troubles:
            raise ValueError(f"guide: expected answers and troubles; got {answers!r} and {troubles!r}")
        for trouble, answer in itertools.product(troubles, answers):
            if not notes.get(trouble, {}).get(answer):
                raise ValueError(f"guide: there is no note for {trouble!r} and {answer!r}")
        found = {
            (answer, on): shortlist(answer, **dict(zip(troubles, on, strict=True)))
            for answer in answers
            for on in itertools.product([False, True], repeat=len(troubles))
        }
        plain = {answer: found[answer, (False,) * len(troubles)] for answer in answers}
        self._text = _as_text(plain)
        super().__init__(
            answers=[markup(answer) for answer in answers],
            troubles=[markup(label) for label in troubles.values()],
            notes=[[markup(notes[trouble][answer]) for trouble in troubles] for answer in answers],
            cards={name: _as_html(entry) for entries in found.values() for name, entry in entries.items()},
            lists={_key(answers.index(answer), on): list(entries) for (answer, on), entries in found.items()},
            fallback="".join(_fold(answer, plain[answer], troubles, notes) for answer in answers),
        )


def _key(number, on):
    return ",".join(map(str, [number, *map(int, on)]))


def _as_text(plain):
    lines = [f"- {answer}: {', '.join(entry['title'] for entry in found.values())}" for answer, found in plain.items()]
    return "\n".join(["guide: what the answer should be, and what makes the job hard", *lines])


def _as_html(entry):
    title, use, breaks = (markup(entry[field]) for field in ("title", "use", "breaks"))
    return f"<strong>{title}</strong>. <em>Use it when:</em> {use}. <em>It breaks with:</em> {breaks}."


def _fold(answer, entries, troubles, notes):
    """An answer with its losses and what each trouble changes folded away, in HTML that needs no script."""
    items = [f"<li>{_as_html(entry)}</li>" for entry in entries.values()]
    items += [f"<li><em>{markup(label)}:</em> {markup(notes[name][answer])}</li>" for name, label in troubles.items()]
    return f"<details><summary>{markup(answer)}</summary><ul>{''.join(items)}</ul></details>"
