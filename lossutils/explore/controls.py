"""Controls with finitely many positions, made from ipywidgets or the abbreviations of `interact`."""

import math
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

_INTEGERS = (widgets.IntSlider, widgets.BoundedIntText, widgets.Play)
_FLOATS = (widgets.FloatSlider, widgets.BoundedFloatText)
_SWITCHES = (widgets.Checkbox, widgets.ToggleButton)
_CHOICES = (widgets.Dropdown, widgets.RadioButtons, widgets.ToggleButtons, widgets.Select)


@dataclass(frozen=True)
class Control:
    """One control: its positions, as values for `draw` and as labels for the reader."""

    name: str
    label: str
    kind: str
    values: tuple
    labels: tuple
    start: int

    def to_json(self):
        return {"name": self.name, "label": self.label, "kind": self.kind,
                "positions": list(self.labels), "start": self.start}  # fmt: skip

    def index_of(self, value):
        """Return the position that holds `value`; a ValueError names the control if none does."""
        for index, known in enumerate(self.values):
            if known is value or _equal(known, value):
                return index
        raise ValueError(
            f"control {self.name!r} has no position {value!r}: it has {len(self.labels)}, "
            f"from {self.labels[0]} to {self.labels[-1]}"
        )

    def describe(self, index):
        return f"{self.name} = {self.labels[index]}"


def make_controls(abbreviations, defaults):
    """Make controls from what was given to `explore`.

    Parameters
    ----------
    abbreviations : dict
        Name → ipywidgets widget or abbreviation.
    defaults : dict
        Name → default value in the signature of `draw`, where the control starts if it can (as in `interact`).

    Returns
    -------
    controls : list of Control
    constants : dict
        Values given as `ipywidgets.fixed`.
    """
    controls, constants = [], {}
    for name, abbreviation in abbreviations.items():
        if isinstance(abbreviation, widgets.fixed):
            constants[name] = abbreviation.value
        else:
            controls.append(_make_control(name, abbreviation, defaults))
    return controls, constants


def _make_control(name, abbreviation, defaults):
    default = {"default": defaults[name]} if name in defaults else {}
    widget = widgets.interactive.widget_from_abbrev(abbreviation, **default)
    kind, values, labels, start = _positions(name, abbreviation, widget)
    if not values:
        raise ValueError(f"control {name!r} has no positions: {abbreviation!r}")
    label = getattr(widget, "description", "") or name.replace("_", " ")
    return Control(name, label, kind, tuple(values), tuple(labels), start)


def _positions(name, abbreviation, widget):
    if isinstance(widget, _SWITCHES):
        return "checkbox", [False, True], ["off", "on"], int(widget.value)
    if isinstance(widget, (widgets.SelectionSlider, *_CHOICES)):
        kind = "slider" if isinstance(widget, widgets.SelectionSlider) else "select"
        # `options` may be a list, a dict, or pairs; ipywidgets keeps the pairs it made of them here
        pairs = widget._options_full
        return kind, [value for _, value in pairs], [str(label) for label, _ in pairs], widget.index or 0
    values = _slider_values(widget)
    if values is None:
        came = f"{abbreviation!r}" if widget is None else f"{type(widget).__name__} (from {abbreviation!r})"
        raise TypeError(
            f"control {name!r} has no finite set of positions: expected (min, max[, step]), a list, a dict, a bool, "
            f"or a slider, dropdown, radio buttons, toggle buttons, or checkbox; got {came}"
        )
    start = min(range(len(values)), key=lambda index: abs(values[index] - widget.value))
    return "slider", values, _number_labels(values, getattr(widget, "readout_format", "")), start


def _slider_values(widget):
    if isinstance(widget, _INTEGERS):
        return list(range(widget.min, widget.max + 1, widget.step))
    if isinstance(widget, _FLOATS):
        return _grid(widget.min, widget.max, widget.step)
    if isinstance(widget, widgets.FloatLogSlider):
        return [_clean(widget.base**power) for power in _grid(widget.min, widget.max, widget.step)]
    return None


def _grid(low, high, step):
    if not step:
        return None
    # the tiny addition keeps the last position when (high − low)/step falls short of a whole number by rounding
    count = math.floor((high - low) / step + 1e-9) + 1
    return [_clean(low + index * step) for index in range(count)]


def _clean(number):
    return float(f"{number:.12g}")


def _number_labels(values, readout_format):
    for style in (readout_format, ".6g"):
        try:
            labels = [format(value, style) for value in values]
        except ValueError:  # a format of d3 that Python lacks
            continue
        if len(set(labels)) == len(labels):
            break
    return [label.replace("-", "−") for label in labels]


def _equal(known: Any, value: Any):
    if isinstance(known, float) and isinstance(value, (int, float)):
        return math.isclose(known, value, rel_tol=1e-9, abs_tol=1e-12)
    try:
        return bool(known == value)
    except Exception:  # arrays and the like don't compare to one truth; identity has been tried
        return False
