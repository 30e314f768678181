"""`match`: tasks, each to be matched with the loss that fits it, with a score and a goal."""

import tomllib
from importlib import resources
from typing import NamedTuple

import traitlets

from lossutils.explore.base import PageWidget, markup, module
from lossutils.explore.quiz import Choice, check_choices


class Task(NamedTuple):
    """One thing to be done, and the losses to choose from; several may be right."""

    text: str
    choices: list[Choice]


def match(tasks, goal):
    """Ask which loss fits each task, and answer each choice with its own feedback. Nothing is graded or stored.

    In a page without scripts, and in a book on an e-reader, each task is followed by its answers in a fold.

    Parameters
    ----------
    tasks : list of (str, list of (str, bool, str))
        A task, plain text with `code` in backticks, and its choices as `quiz` takes them: text, whether it is right,
        and feedback. More than one may be right; one of them is enough.
    goal : int
        How many tasks to solve at the first try, from 1 to all of them.

    Returns
    -------
    Match

    Raises
    ------
    ValueError
        There is no task, two are the same, the goal is out of reach, or a task's choices aren't those of a quiz.

    Examples
    --------
    >>> match([("Waiting times, told to patients", [
    ...     ("MSE", False, "The few very long waits pull the mean up."),
    ...     ("MAE", True, "Half of the waits are shorter than the median, and half longer."),
    ... ])], goal=1)
    match: 1 task, goal 1 at the first try
    1. Waiting times, told to patients
       - MSE
       - MAE
    """
    return Match(tasks, goal)


def load_tasks():
    """Read the tasks of chapter 25 from ``lossutils/data/tasks.toml``.

    Returns
    -------
    list of Task

    Examples
    --------
    >>> load_tasks()[0].choices[0].is_right
    False
    """
    text = resources.files("lossutils.data").joinpath("tasks.toml").read_text(encoding="utf-8")
    return [
        Task(task["text"], [Choice(choice["text"], choice["right"], choice["feedback"]) for choice in task["choice"]])
        for task in tomllib.loads(text)["task"]
    ]


class Match(PageWidget):
    """The widget that `match` makes; see there."""

    _esm = module("match")

    kind = traitlets.Unicode("match").tag(sync=True)
    tasks = traitlets.List().tag(sync=True)
    goal = traitlets.Int().tag(sync=True)

    def __init__(self, tasks, goal):
        tasks = [
            Task(text, check_choices(text, choices, f"match: task {number}"))
            for number, (text, choices) in enumerate(tasks, start=1)
        ]
        if not tasks:
            raise ValueError("match: there is no task")
        if len({task.text for task in tasks}) < len(tasks):
            raise ValueError("match: two tasks have the same text")
        if not 1 <= goal <= len(tasks):
            raise ValueError(f"match: goal must be from 1 to the number of tasks, {len(tasks)}; got {goal}")
        self._text = _as_text(tasks, goal)
        super().__init__(
            goal=goal,
            tasks=[{"text": markup(text), "choices": [c.state() for c in choices]} for text, choices in tasks],
            fallback="<ol>" + "".join(_fold(task) for task in tasks) + "</ol>",
        )


def _as_text(tasks, goal):
    lines = [f"match: {len(tasks)} task{'s' * (len(tasks) > 1)}, goal {goal} at the first try"]
    for number, task in enumerate(tasks, start=1):
        lines += [f"{number}. {task.text}", *(f"   - {choice.text}" for choice in task.choices)]
    return "\n".join(lines)


def _fold(task):
    """A task with its answers folded away, in HTML that needs no script."""
    names = "; ".join(markup(choice.text) for choice in task.choices)
    answers = "".join(
        f"<li><strong>{mark} {markup(choice.text)}.</strong> {markup(choice.feedback)}</li>"
        for choice in task.choices
        for mark in ("✓" if choice.is_right else "✗")
    )
    return (
        f"<li><p><strong>{markup(task.text)}</strong> Choose: {names}.</p>"
        f"<details><summary>Answers</summary><ul>{answers}</ul></details></li>"
    )
