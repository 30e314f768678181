"""The data of a figure as tables, for those who would rather read numbers than look at lines.

A table is a dict that JSON can hold: ``title``, and ``columns``, a list of [head, cells]. The cells of a column of
numbers are one string, parted by spaces, for there are many of them; those of a column of names are a list.
"""

import math
import re

import numpy as np
from matplotlib.category import StrCategoryFormatter
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.ticker import FixedFormatter

MAX_ROWS = 30
RESOLUTION = 1000  # numbers are rounded to about this share of their column's range
_UNNAMED = re.compile(r"_(child\d+|container\d*|nolegend_|line\d*)?")  # labels that matplotlib gives by itself


def figure_tables(fig):
    """Read from a drawn figure the data of everything in it that has a label.

    Lines, bars, and scattered points are read, where they lie inside the view. Series of one axes that have their
    abscissas in common share a table. A label that begins with an underscore, which keeps it out of a legend, counts.

    Parameters
    ----------
    fig : matplotlib.figure.Figure

    Returns
    -------
    list of dict

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from lossutils.plots import figure
    >>> fig, ax = figure()
    >>> _ = ax.plot([0, 1, 2], [0, 1, 4], label="squared error")
    >>> _ = ax.set(xlabel="residual", ylabel="loss")
    >>> figure_tables(fig)
    [{'title': 'loss', 'columns': [['residual', '0 1 2'], ['squared error', '0 1 4']]}]
    >>> plt.close(fig)
    """
    return [table for ax in fig.axes if ax.get_visible() for table in _axes_tables(ax)]


def table_of(columns):
    """Make a table of columns that were given by hand.

    Parameters
    ----------
    columns : dict
        Head → numbers or texts, all equally many.

    Raises
    ------
    ValueError
        The columns differ in length.

    Examples
    --------
    >>> table_of({"loss": ["squared", "absolute"], "pull": [12.0, 1.0]})
    {'title': '', 'columns': [['loss', ['squared', 'absolute']], ['pull', '12 1']]}
    """
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) != 1:
        found = {name: len(values) for name, values in columns.items()}
        raise ValueError(f"table: columns must be equally long; got {found}")
    rows = _sample(lengths.pop())
    cells = [[str(head), _cells([values[i] for i in rows])] for head, values in columns.items()]
    return {"title": _title("", rows, len(next(iter(columns.values())))), "columns": cells}


def table_difference(base, tables):
    """Return what a frame's patch must hold for its tables: nothing, the changed columns, or all.

    Examples
    --------
    >>> first = [{"title": "", "columns": [["x", "1 2"], ["y", "3 4"]]}]
    >>> table_difference(first, [{"title": "", "columns": [["x", "1 2"], ["y", "3 5"]]}])
    {'columns': [[0, 1, ['y', '3 5']]]}
    >>> table_difference(first, first)
    {}
    """
    if tables == base:
        return {}
    if [(t["title"], len(t["columns"])) for t in base] != [(t["title"], len(t["columns"])) for t in tables]:
        return {"tables": tables}
    pairs = [(t, c, new, old) for t, (a, b) in enumerate(zip(tables, base, strict=True))
             for c, (new, old) in enumerate(zip(a["columns"], b["columns"], strict=True))]  # fmt: skip
    return {"columns": [[t, c, new] for t, c, new, old in pairs if new != old]}


def _axes_tables(ax):
    groups = {}
    for head, name, positions, values, horizontal in _series(ax):
        view = np.sort(ax.get_ylim() if horizontal else ax.get_xlim())
        seen = (view[0] <= positions) & (positions <= view[1])
        if seen.any():
            key = (head, horizontal, positions[seen].tobytes())
            groups.setdefault(key, []).append((name, positions[seen], values[seen]))
    for (head, horizontal, _), group in groups.items():
        along, across = (ax.yaxis, ax.xaxis) if horizontal else (ax.xaxis, ax.yaxis)
        positions = group[0][1]
        rows = _sample(len(positions))
        columns = [[head, _positions(along, positions[rows])]]
        columns += [[name, _cells(values[rows], across.get_scale() == "log")] for name, _, values in group]
        title = ax.get_title("left") or ax.get_title() or across.get_label_text()
        yield {"title": _title(title, rows, len(positions)), "columns": columns}


def _series(ax):
    """Yield (head of the first column, name, positions, values, whether bars lie) for everything with a label."""
    sharing = [ax, *ax.get_shared_x_axes().get_siblings(ax)]  # stacked panels have their label on the lowest
    across = next((other.get_xlabel() for other in sharing if other.get_xlabel()), "x")
    up = ax.get_ylabel() or "y"
    for line in ax.lines:
        if _name(line) and line.get_transform() is ax.transData:
            x, y = (np.asarray(part, dtype=float) for part in line.get_data(orig=False))
            yield across, _name(line), x, y, False
    for points in ax.collections:
        if _name(points) and isinstance(points, PathCollection):
            x, y = np.ma.filled(points.get_offsets().astype(float), np.nan).T
            yield across, _name(points), x, y, False
    for bars in ax.containers:
        if _name(bars) and isinstance(bars, BarContainer):
            lying = bars.orientation == "horizontal"
            boxes = np.array([[*bar.get_xy(), bar.get_width(), bar.get_height()] for bar in bars], dtype=float)
            x, y, width, height = boxes.T
            middle, length = (y + height / 2, width) if lying else (x + width / 2, height)
            yield up if lying else across, _name(bars), middle, length, lying


def _name(artist):
    label = str(artist.get_label() or "")
    return "" if _UNNAMED.fullmatch(label) else label.removeprefix("_")


def _positions(axis, positions):
    """Names of the places along an axis where all have one, else their numbers."""
    if isinstance(axis.get_major_formatter(), (FixedFormatter, StrCategoryFormatter)):
        names = dict(zip(np.round(axis.get_ticklocs(), 9), axis.get_ticklabels(), strict=False))
        if all(round(place, 9) in names for place in positions):
            return [names[round(place, 9)].get_text() for place in positions]
    return _cells(positions, axis.get_scale() == "log")


def _sample(count):
    return np.unique(np.linspace(0, count - 1, min(count, MAX_ROWS)).round().astype(int))


def _title(title, rows, count):
    note = f"{len(rows)} of {count} points, evenly spaced" if len(rows) < count else ""
    return "; ".join(filter(None, [title, note]))


def _cells(values, logarithmic=False):
    if any(isinstance(value, str) for value in values):
        return [str(value) for value in values]
    return " ".join(_numbers(np.asarray(values, dtype=float), logarithmic))


def _numbers(values, logarithmic):
    finite = values[np.isfinite(values)]
    span = np.ptp(finite) if len(finite) else 0
    decimals = math.ceil(math.log10(RESOLUTION / (span or np.abs(finite).max(initial=0) or 1)))
    if (finite == finite.round()).all() and np.abs(finite).max(initial=0) < 1e6:
        style = ".0f"
    else:
        style = ".3g" if logarithmic or not -4 < decimals <= 6 else f".{max(decimals, 0)}f"
    return [f"{value:{style}}" if math.isfinite(value) else _ODD[str(value)] for value in values + 0.0]


_ODD = {"nan": "–", "inf": "∞", "-inf": "-∞"}
