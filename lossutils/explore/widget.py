"""`explore`: an interactive figure that lives on in a static page."""

import inspect
import itertools
import numbers
import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import traitlets
from matplotlib.figure import Figure

from lossutils.explore import ahead
from lossutils.explore.base import PageWidget, module
from lossutils.explore.controls import make_controls
from lossutils.explore.svg import difference, figure_to_svg, to_markup
from lossutils.explore.table import figure_tables, table_difference, table_of
from lossutils.plots import house_style

WORTH_A_FORK = 8  # frames: a fork of a process with matplotlib and torch costs about as much as one of them


@dataclass(frozen=True)
class Goal:
    """What the reader shall find by moving the controls.

    Parameters
    ----------
    text : str
        The task, shown with the figure.
    test : callable
        `test(**values)` says whether these control values solve it.
    reached : str
        The sentence that is shown, and announced to screen readers, once they do.

    Examples
    --------
    >>> goal = Goal("Find the constant with the smallest mean squared error.",
    ...             lambda constant: constant == 3, reached="It is the mean.")
    >>> goal.test(constant=3)
    True
    """

    text: str
    test: Any
    reached: str = "You found it."


def explore(draw, /, *, alt, goal=None, table=None, max_frames=400, **controls):
    """Make a figure interactive, in a live notebook as well as in a web page without a kernel.

    Takes controls as `ipywidgets.interact` does. Every control has finitely many positions, so the figure has
    finitely many frames, which the page keeps as small differences from the first.

    Parameters
    ----------
    draw : callable
        `draw(**values)` draws a matplotlib figure and returns it, or returns it with readouts: a dict of
        name → number or str. It must draw the same picture each time.
    alt : str or callable
        What the figure shows, for those who can't see it. A callable gets the control values.
    goal : Goal, optional
        What the reader shall find.
    table : callable, optional
        Gets the control values and returns the frame's data, a dict of column → numbers or texts, that readers can
        unfold as a table. By default it is read from the figure: every line, bar, or scatter that has a label.
    max_frames : int
        The most frames to allow, to keep pages small.
    **controls
        Widgets of ipywidgets with finitely many positions, or abbreviations: `(min, max[, step])` makes a slider,
        a list or dict a menu, a bool a checkbox, `fixed(value)` a constant. A default value in the signature of
        `draw` is the start position.

    Returns
    -------
    Explore
        A widget. Its trait `values` holds the control values; it can be observed and set.

    Raises
    ------
    TypeError
        A control has no finite set of positions, or `draw` returned no figure.
    ValueError
        `alt` is empty, there are too many frames, or the goal is reached at the start or by no frame.
    RuntimeError
        `draw`, `alt`, `table`, or the goal's test raised; the message names the control values.

    Examples
    --------
    >>> from lossutils.plots import figure
    >>> def loss_of_constant(constant):
    ...     fig, ax = figure()
    ...     ax.axvline(constant)
    ...     return fig, {"loss": (constant - 3) ** 2}
    >>> explore(loss_of_constant, constant=(0, 5), alt="A vertical line at the constant.")
    explore: A vertical line at the constant.
    """
    return Explore(draw, alt=alt, goal=goal, table=table, max_frames=max_frames, controls=controls)


def show(fig, alt):
    """Show a plain figure with alternative text, in the colors of the page's theme.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    alt : str
        What the figure shows, for those who can't see it.

    Returns
    -------
    Explore
        The same widget that `explore` makes, without controls.

    Examples
    --------
    >>> from lossutils.plots import figure
    >>> fig, ax = figure()
    >>> _ = ax.plot([0, 1], [0, 1])
    >>> show(fig, alt="A straight line.")
    figure: A straight line.
    """
    return Explore(lambda: fig, alt=alt)


class Explore(PageWidget):
    """The widget that `explore` and `show` make; see there."""

    _esm = module("explore")

    kind = traitlets.Unicode("explore").tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)
    controls = traitlets.List().tag(sync=True)
    position = traitlets.List(traitlets.Int()).tag(sync=True)
    tables = traitlets.List().tag(sync=True)
    patches = traitlets.Dict().tag(sync=True)
    goal = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    complete = traitlets.Bool(False).tag(sync=True)
    values = traitlets.Dict()

    def __init__(self, draw, *, alt, goal=None, table=None, max_frames=400, controls=None):
        if not callable(alt):
            _require_text(alt, "alt")
        self._draw, self._alt, self._goal, self._table = draw, alt, goal, table
        self._controls, self._constants = make_controls(controls or {}, _defaults(draw))
        self._check_count(max_frames)
        start = [control.start for control in self._controls]
        first = self._alt_text(start)
        # ids inside the SVG are hashed with the first alt text, so that figures on one page don't share them
        self._salt = first
        self._base, readouts, tables = self._render(start)
        patch = {"ops": [], "readouts": readouts, "goal": self._goal_reached(start)}
        if patch["goal"]:
            raise ValueError(f"goal {goal.text!r} is already reached at the start: {self._describe(start)}")
        super().__init__(
            alt=first,
            fallback=to_markup(self._base, first),
            controls=[control.to_json() for control in self._controls],
            position=start,
            tables=tables,
            patches={_key(start): patch},
            goal=goal and {"text": goal.text, "reached": goal.reached},
            values=self._values_at(start),
        )
        self.on_msg(self._answer)
        if not self._controls or os.environ.get("LOSSUTILS_EXPLORE") == "complete":
            self.complete_frames()

    def complete_frames(self):
        """Draw every frame that is still missing, so that the widget needs no kernel anymore.

        Raises
        ------
        RuntimeError
            `draw` failed in a frame; the message names its control values.
        ValueError
            No frame reaches the goal.
        """
        every = list(itertools.product(*(range(len(control.values)) for control in self._controls)))
        kept = {key: patch for key, patch in self.patches.items() if "error" not in patch}
        missing = [position for position in every if _key(position) not in kept]
        here = missing[: (len(missing) + 1) // 2] if len(missing) >= WORTH_A_FORK else missing
        with ahead.start(self._make_patch, missing[len(here) :]) if here != missing else nullcontext(list) as collect:
            drawn = [self._make_patch(position) for position in here]
            drawn += collect() or [self._make_patch(position) for position in missing[len(here) :]]
        kept.update(zip(map(_key, missing), drawn, strict=True))
        patches = {_key(position): kept[_key(position)] for position in every}
        if self._goal and not any(patch["goal"] for patch in patches.values()):
            raise ValueError(f"goal {self._goal.text!r} is reached by none of the {len(patches)} frames")
        with self.hold_sync():
            self.patches = patches
            self.complete = True

    def __repr__(self):
        return f"{'explore' if self.controls else 'figure'}: {self.alt}"

    def _check_count(self, max_frames):
        count = 1
        for control in self._controls:
            count *= len(control.values)
        if count > max_frames:
            each = ", ".join(f"{control.name} has {len(control.values)} positions" for control in self._controls)
            raise ValueError(
                f"explore would have {count} frames, and max_frames is {max_frames}: {each}; take larger steps"
            )

    def _values_at(self, position):
        values = {control.name: control.values[i] for control, i in zip(self._controls, position, strict=True)}
        return {**values, **self._constants}

    def _describe(self, position):
        pairs = zip(self._controls, position, strict=True)
        return ", ".join(control.describe(index) for control, index in pairs) or "its only frame"

    def _call(self, function, what, position):
        try:
            return function(**self._values_at(position))
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise RuntimeError(f"{what} failed at {self._describe(position)}: {reason}") from error

    def _alt_text(self, position):
        if not callable(self._alt):
            return self._alt
        return _require_text(self._call(self._alt, "alt", position), f"alt at {self._describe(position)}")

    def _goal_reached(self, position):
        return bool(self._goal and self._call(self._goal.test, "the goal's test", position))

    def _render(self, position):
        opened = set(plt.get_fignums())
        try:
            with house_style():
                result = self._call(self._draw, "draw", position)
                fig, readouts = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
                if not isinstance(fig, Figure):
                    raise TypeError(
                        "draw must return a matplotlib figure, or a figure and a dict of readouts; "
                        f"got {type(result).__name__} at {self._describe(position)}"
                    )
                svg = figure_to_svg(fig, self._salt)
                tables = self._tables(fig, position)
            plt.close(fig)
        finally:
            for number in set(plt.get_fignums()) - opened:
                plt.close(number)
        return svg, [[str(name), _readout(name, value)] for name, value in readouts.items()], tables

    def _tables(self, fig, position):
        if not self._table:
            return figure_tables(fig)
        return [self._call(lambda **values: table_of(self._table(**values)), "table", position)]

    def _make_patch(self, position):
        svg, readouts, tables = self._render(position)
        patch = {"ops": difference(self._base, svg), "readouts": readouts, "goal": self._goal_reached(position)}
        patch.update(table_difference(self.tables, tables))
        alt = self._alt_text(position)
        if alt != self.alt:
            patch["alt"] = alt
        return patch

    def _answer(self, _widget, content, _buffers):
        """Send one frame to the page, and keep it."""
        key = content.get("frame")
        position = _position(key)
        if not self._is_position(position):
            return
        if key not in self.patches:
            try:
                patch = self._make_patch(position)
            except Exception as error:
                patch = {"ops": [], "readouts": [], "goal": False, "error": str(error)}
            # in place: assigning the trait would send all frames again
            self.patches[key] = patch
        self.send({"frame": key, "patch": self.patches[key]})

    def _is_position(self, position):
        if len(position) != len(self._controls):
            return False
        pairs = zip(position, self._controls, strict=True)
        return all(0 <= index < len(control.values) for index, control in pairs)

    @traitlets.validate("position")
    def _validate_position(self, proposal):
        if not self._is_position(proposal.value):
            raise traitlets.TraitError(f"position {proposal.value} is none of this figure's")
        return proposal.value

    @traitlets.validate("values")
    def _validate_values(self, proposal):
        unknown = proposal.value.keys() - {control.name for control in self._controls} - self._constants.keys()
        if unknown:
            raise ValueError(f"values: no control is named {', '.join(sorted(unknown))}")
        merged = {**self._values_at(self.position), **proposal.value, **self._constants}
        return self._values_at([control.index_of(merged[control.name]) for control in self._controls])

    @traitlets.observe("values")
    def _move_to_values(self, _change):
        self.position = [control.index_of(self.values[control.name]) for control in self._controls]

    @traitlets.observe("position")
    def _take_values(self, _change):
        self.values = self._values_at(self.position)


def _defaults(draw):
    parameters = inspect.signature(draw).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def _require_text(text, name):
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{name} must say what the figure shows; got {text!r}")
    return text


def _key(position):
    return ",".join(map(str, position))


def _position(key):
    return [int(part) if part.isdecimal() else -1 for part in str(key).split(",")]


def _readout(name, value):
    if isinstance(value, str):
        return value
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, numbers.Real):
        raise TypeError(f"readout {name!r} must be a number or a str; got {type(value).__name__}")
    if isinstance(value, bool):
        return "yes" if value else "no"
    style = "," if isinstance(value, int) else ",.0f" if 1000 <= abs(value) < 1e6 else ".4g"
    return format(value, style).replace("-", "−")
