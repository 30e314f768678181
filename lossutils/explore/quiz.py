"""`quiz`: a question whose every answer teaches something."""

from typing import NamedTuple

import traitlets

from lossutils.explore.base import PageWidget, markup, module


class Choice(NamedTuple):
    """One answer to choose: its text, whether it is right, and what to say to who chose it."""

    text: str
    is_right: bool
    feedback: str

    def state(self):
        """Return what the widget's script takes: HTML and a bool."""
        return {"text": markup(self.text), "right": bool(self.is_right), "feedback": markup(self.feedback)}


def quiz(question, choices):
    """Ask a question, and answer each choice with its own feedback. Nothing is graded or stored.

    Parameters
    ----------
    question : str
        Plain text; `code` in backticks.
    choices : list of (str, bool, str)
        Text, whether it is right, and feedback. With one right choice the reader picks one; with more, several.

    Returns
    -------
    Quiz

    Raises
    ------
    ValueError
        A text is empty, no choice is right, there are fewer than two choices, or two are the same.

    Examples
    --------
    >>> quiz("Which constant minimizes the mean absolute error?", [
    ...     ("the mean", False, "That minimizes the squared error."),
    ...     ("the median", True, "As many points pull up as down."),
    ... ])
    quiz: Which constant minimizes the mean absolute error?
    - the mean
    - the median
    """
    return Quiz(question, choices)


class Quiz(PageWidget):
    """The widget that `quiz` makes; see there."""

    _esm = module("quiz")

    kind = traitlets.Unicode("quiz").tag(sync=True)
    question = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List().tag(sync=True)

    def __init__(self, question, choices):
        choices = check_choices(question, choices, "quiz")
        self._text = "\n".join([f"quiz: {question}", *(f"- {choice.text}" for choice in choices)])
        items = "".join(f"<li>{markup(choice.text)}</li>" for choice in choices)
        super().__init__(
            question=markup(question),
            choices=[choice.state() for choice in choices],
            fallback=f"<p>{markup(question)}</p><ul>{items}</ul>",
        )


def check_choices(question, choices, where):
    """Return what `quiz` takes as `Choice`s; raise `ValueError`, with `where` first, for anything else."""
    if not isinstance(question, str) or not question.strip():
        raise ValueError(f"{where}: question must be text; got {question!r}")
    checked = []
    for number, choice in enumerate(choices, start=1):
        if isinstance(choice, str) or len(choice) != 3:
            raise ValueError(f"{where}: choice {number} must be (text, is_right, feedback); got {choice!r}")
        checked.append(Choice(*choice))
        for name in ("text", "feedback"):
            text = getattr(checked[-1], name)
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f"{where}: {name} of choice {number} must be text; got {text!r}")
    if len(checked) < 2:
        raise ValueError(f"{where}: expected two choices or more; got {len(checked)}")
    if len({choice.text for choice in checked}) < len(checked):
        raise ValueError(f"{where}: two choices have the same text")
    if not any(choice.is_right for choice in checked):
        raise ValueError(f"{where}: no choice is right")
    return checked
