"""The house style of the book's figures: one palette, one set of defaults, labels instead of legends."""

import contextlib

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import NullLocator

PALETTE = {
    "blue": "#0072b2",
    "orange": "#be7b01",
    "green": "#2a9d84",
    "vermillion": "#b2400f",
    "purple": "#7a3b83",
    "sky": "#2e97f2",
    "ink": "#1b1f24",
    "muted": "#5b6570",
    "grid": "#d3d9df",
    "surface": "#ffffff",
}
"""Named colors on a light page. `lossutils/explore/explore.css` holds their partners on a dark one.

The six hues follow Okabe and Ito (2008, https://jfly.uni-koeln.de/color/), darkened until a thin line in
any of them has a contrast of 3:1 with a white page.
"""

SERIES = ("blue", "orange", "green", "vermillion", "purple", "sky")

HOUSE_RC = {
    "figure.figsize": (5.4, 3.4),
    "figure.facecolor": "none",
    "figure.subplot.left": 0.13,
    "figure.subplot.right": 0.96,
    "figure.subplot.bottom": 0.17,
    "figure.subplot.top": 0.91,
    "figure.subplot.wspace": 0.34,
    "figure.subplot.hspace": 0.5,
    # constrained layout would double the time of a frame, and let axes jump from frame to frame
    "figure.constrained_layout.use": False,
    "figure.autolayout": False,
    "font.size": 10.5,
    "font.family": "sans-serif",
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 10.5,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[PALETTE[name] for name in SERIES]),
    "axes.edgecolor": PALETTE["muted"],
    "axes.labelcolor": PALETTE["ink"],
    "axes.titlecolor": PALETTE["ink"],
    "axes.axisbelow": True,
    "text.color": PALETTE["ink"],
    "xtick.color": PALETTE["muted"],
    "ytick.color": PALETTE["muted"],
    "grid.color": PALETTE["grid"],
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "patch.linewidth": 0.8,
    "savefig.facecolor": "auto",
    "savefig.bbox": None,
    "path.simplify": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "lossutils",
}
"""Matplotlib settings of the house style."""


@contextlib.contextmanager
def house_style():
    """Draw in the house style within a ``with`` block.

    Examples
    --------
    >>> with house_style():
    ...     fig, ax = plt.subplots()
    >>> ax.spines["top"].get_visible()
    False
    >>> plt.close(fig)
    """
    with mpl.rc_context(HOUSE_RC):
        try:
            yield
        finally:
            interactive = mpl.is_interactive()
    # Jupyter's backend turns interactive mode on when it draws first; rc_context would turn it off again, and the
    # reader's own plots would no longer show.
    mpl.interactive(interactive)


def figure(rows=1, cols=1, **options):
    """Make a figure and its axes in the house style.

    Parameters
    ----------
    rows, cols : int
        The grid of axes. Side by side, text comes out smaller on a phone; one above the other, it doesn't.
    **options
        Passed to `matplotlib.pyplot.subplots`.

    Returns
    -------
    fig : matplotlib.figure.Figure
    axes : Axes or array of Axes

    Examples
    --------
    >>> fig, (left, right) = figure(cols=2, sharey=True)
    >>> left.set_title("training").get_text()
    'training'
    >>> plt.close(fig)
    """
    width = 5.4 + 0.6 * (cols - 1)
    height = 3.4 + 2.0 * (rows - 1) - 0.4 * (cols > 1 and rows == 1)
    options = {"figsize": (width, height), **options}
    with house_style():
        fig, axes = plt.subplots(rows, cols, **options)
    for ax in fig.axes:
        # few ticks: less to read on a phone, and a quarter less time for a frame
        ax.locator_params(nbins=6)
    # the room for labels is a matter of inches, not of shares of the figure
    width, height = fig.get_size_inches()
    fig.subplots_adjust(left=0.76 / width, right=1 - 0.2 / width, bottom=0.58 / height, top=1 - 0.32 / height)
    return fig, axes


def label_line(ax, line_or_xy, text, *, x=None, offset=(5, 0), **options):
    """Write a label beside a line, in the color of the line, instead of a legend.

    A line that has no label of its own takes this one, so that the figure's table can name it.

    Parameters
    ----------
    ax : Axes
    line_or_xy : Line2D or (float, float)
        The line, or a point in data coordinates.
    text : str
    x : float, optional
        Where along the line, in data coordinates. By default at the last point inside the axes, so set their
        limits first. A label whose point leaves the axes is not drawn.
    offset : (float, float)
        From that point, in typographic points.
    **options
        Passed to `Axes.annotate`; for instance `ha="right"`, `color=…`.

    Returns
    -------
    matplotlib.text.Annotation

    Examples
    --------
    >>> fig, ax = figure()
    >>> (line,) = ax.plot([0, 1, 2], [0, 1, 4])
    >>> label_line(ax, line, "squared error").xy
    (2.0, 4.0)
    >>> plt.close(fig)
    """
    color = PALETTE["ink"]
    if isinstance(line_or_xy, Line2D):
        color = line_or_xy.get_color()
        if str(line_or_xy.get_label()).startswith("_child"):
            line_or_xy.set_label(text)
        line_or_xy = _point_on(ax, line_or_xy, x)
    options = {"color": color, "va": "center", **options}
    return ax.annotate(text, line_or_xy, xytext=offset, textcoords="offset points", **options)


def _point_on(ax, line, x):
    points = np.column_stack([line.get_xdata(orig=False), line.get_ydata(orig=False)]).astype(float)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        raise ValueError(f"label_line: the line {line.get_label()!r} has no finite point")
    if x is not None:
        return tuple(points[np.abs(points[:, 0] - x).argmin()].tolist())
    low, high = np.sort(np.column_stack([ax.get_xlim(), ax.get_ylim()]), axis=0)
    inside = points[((low <= points) & (points <= high)).all(axis=1)]
    return tuple((inside if len(inside) else points)[-1].tolist())


def log_scale(axis, low, high, step=1):
    """Make an axis logarithmic from 10^low to 10^high, with plain-text labels at every step-th power of ten.

    Matplotlib's own log axis typesets each label as mathematics and places dozens of minor ticks, which takes
    longer than all the rest of a frame.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        `ax.xaxis` or `ax.yaxis`.
    low, high : int
        Exponents of the limits.
    step : int

    Examples
    --------
    >>> fig, ax = figure()
    >>> log_scale(ax.yaxis, -4, 2, step=2)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['10⁻⁴', '10⁻²', '10⁰', '10²']
    >>> plt.close(fig)
    """
    exponents = range(low, high + 1, step)
    superscript = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    along_x = axis is axis.axes.xaxis
    (axis.axes.set_xscale if along_x else axis.axes.set_yscale)("log")
    (axis.axes.set_xlim if along_x else axis.axes.set_ylim)(10.0**low, 10.0**high)
    axis.set_minor_locator(NullLocator())
    axis.set_ticks([10.0**e for e in exponents], [f"10{str(e).translate(superscript)}" for e in exponents])


def draw_pixels(ax, image, *, levels=4):
    """Draw a small gray image in shades of ink, which follow the page's theme, as a bitmap would not.

    All pixels of one shade are one path, so that an image costs a handful of SVG elements and not one a pixel.

    Parameters
    ----------
    ax : Axes
        Emptied of ticks and frame; the image takes one unit a pixel, first row on top.
    image : array_like of float, shape (height, width)
        Ink from 0 to 1; 0 is the page.
    levels : int, default 4
        Shades beside the page's own.

    Raises
    ------
    ValueError
        If `image` isn't a table, or a number in it isn't in [0, 1].

    Examples
    --------
    >>> fig, ax = figure()
    >>> draw_pixels(ax, [[0.0, 1.0], [0.5, 0.0]])
    >>> [patch.get_alpha() for patch in ax.patches]
    [0.5, 1.0]
    >>> plt.close(fig)
    """
    image = np.asarray(image, float)
    if image.ndim != 2 or not ((image >= 0) & (image <= 1)).all():
        raise ValueError(f"draw_pixels: image must be a table of numbers in [0, 1], got shape {image.shape}")
    shade = np.rint(image * levels)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    for level in range(1, levels + 1):
        places = np.argwhere(shade == level)[:, ::-1]
        if len(places):
            squares = Path((places[:, None] + corners).reshape(-1, 2), codes * len(places))
            ax.add_patch(PathPatch(squares, facecolor=PALETTE["ink"], alpha=level / levels, linewidth=0))
    height, width = image.shape
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.axis("off")
