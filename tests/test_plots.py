"""The house style: colors that everyone can tell apart on a light and a dark page, and small helpers."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from lossutils.explore.svg import figure_to_svg, to_markup
from lossutils.plots import HOUSE_RC, PALETTE, SERIES, draw_pixels, figure, house_style, label_line

CSS = (Path(__file__).parents[1] / "lossutils" / "explore" / "explore.css").read_text(encoding="utf-8")

# sRGB (linear) as seen with full deuteranopia and protanopia: Machado, Oliveira, Fernandes (2009),
# https://doi.org/10.1109/TVCG.2009.113
VISION = {
    "usual": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def css_colors(selector):
    """Return the --lf-* variables that the style sheet sets for a selector."""
    plain = re.sub(r"/\*.*?\*/", "", CSS, flags=re.DOTALL)
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", plain)
    bodies = [body for selectors, body in rules if selector in map(str.strip, selectors.split(","))]
    return dict(re.findall(r"--lf-([a-z]+): (#[0-9a-f]{6});", "".join(bodies)))


LIGHT = css_colors(".lossutils")
DARK = css_colors('html[data-theme="dark"] .lossutils')
THEMES = {"light": LIGHT, "dark": DARK}
TEXT = {
    "light": {**LIGHT, **css_colors(".lossutils svg text")},
    "dark": {**DARK, **css_colors('html[data-theme="dark"] .lossutils svg text')},
}
# the book's, JupyterLab's, and VS Code's page colors
PAGES = {"light": ["#ffffff"], "dark": ["#121212", "#14181e", "#111111", "#1e1e1e"]}


def linear(color):
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(first, second):
    """Contrast ratio of WCAG 2."""
    dark, light = sorted(linear(color) @ [0.2126, 0.7152, 0.0722] for color in (first, second))
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb):
    """Linear sRGB to Oklab (Ottosson 2020, https://bottosson.github.io/posts/oklab/)."""
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    return np.array(to_lab) @ np.cbrt(np.array(to_lms) @ np.clip(rgb, 0, 1))


@pytest.mark.parametrize(("theme", "page"), [(theme, page) for theme in PAGES for page in PAGES[theme]])
def test_lines_and_text_have_contrast_with_the_page(theme, page):
    # WCAG 2.2: 3:1 for graphics (1.4.11), 4.5:1 for text (1.4.3)
    lines = {name: contrast(THEMES[theme][name], page) for name in [*SERIES, "muted", "ink", "border"]}
    assert min(lines.values()) >= 3, lines
    texts = {name: contrast(TEXT[theme][name], page) for name in [*SERIES, "muted", "ink"]}
    assert min(texts.values()) >= 4.5, texts
    assert contrast(THEMES[theme]["ink"], THEMES[theme]["panel"]) >= 4.5
    assert contrast(THEMES[theme]["muted"], THEMES[theme]["panel"]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISION)
def test_series_colors_differ_for_every_eye(theme, vision):
    seen = {name: oklab(VISION[vision] @ linear(THEMES[theme][name])) for name in [*SERIES, "ink"]}
    distances = {(a, b): np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(seen, 2)}
    # Okabe and Ito's own palette, with our ink, comes to 0.076 by this measure
    assert min(distances.values()) >= 0.076, min(distances.items(), key=lambda item: item[1])


def test_every_color_is_unique_and_has_partners_in_both_themes():
    assert len(set(PALETTE.values())) == len(PALETTE)
    assert PALETTE.items() <= LIGHT.items()
    assert LIGHT.keys() == DARK.keys()


def test_every_color_becomes_a_variable_of_the_theme():
    fig, ax = figure()
    for name, code in PALETTE.items():
        ax.plot([0, 1], [0, 1], color=code.upper() if name == "blue" else code)
    markup = to_markup(figure_to_svg(fig, "x"), "x")
    plt.close(fig)
    for name, code in PALETTE.items():
        assert f"stroke:var(--lf-{name},{code})" in markup
    assert not re.search(r"(fill|stroke):#", markup)


def test_house_style_ends_with_its_block():
    before = dict(plt.rcParams)
    with house_style():
        assert plt.rcParams["svg.fonttype"] == HOUSE_RC["svg.fonttype"] == "none"
    assert dict(plt.rcParams) == before


def test_figure_is_transparent_without_frame():
    fig, axes = figure(2, 2)
    assert axes.shape == (2, 2)
    assert fig.get_facecolor()[3] == axes[0, 0].get_facecolor()[3] == 0
    assert not axes[0, 0].spines["top"].get_visible()
    plt.close(fig)


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_labels_of_axes_stay_inside_the_figure(rows, cols):
    fig, axes = figure(rows, cols)
    for ax in np.ravel(axes):
        ax.set(xlabel="price in $", ylabel="squared error", title="loss", ylim=(-1000, 1000))
    fig.draw_without_rendering()
    outside = fig.get_tightbbox()
    width, height = fig.get_size_inches()
    plt.close(fig)
    assert 0 <= outside.x0 < outside.x1 <= width
    assert 0 <= outside.y0 < outside.y1 <= height


def test_label_line_takes_color_and_last_visible_point():
    fig, ax = figure()
    (line,) = ax.plot([0, 1, 2, np.nan], [0, 1, 100, 5], color=PALETTE["green"])
    ax.set(xlim=(0, 2), ylim=(0, 10))
    label = label_line(ax, line, "loss")
    assert label.xy == (1.0, 1.0)
    assert label.get_color() == PALETTE["green"]
    assert label_line(ax, line, "far", x=1.9).xy == (2.0, 100.0)
    plt.close(fig)


def test_label_line_takes_a_point():
    fig, ax = figure()
    label = label_line(ax, (0.5, 0.5), "here", color=PALETTE["blue"])
    plt.close(fig)
    assert label.get_color() == PALETTE["blue"]


def test_label_line_names_the_line_without_points():
    fig, ax = figure()
    (line,) = ax.plot([np.nan], [1], label="empty one")
    with pytest.raises(ValueError, match="'empty one' has no finite point"):
        label_line(ax, line, "loss")
    plt.close(fig)


def test_pixels_are_one_path_a_shade_with_the_first_row_on_top():
    fig, ax = figure()
    draw_pixels(ax, [[0, 1, 0], [0, 0, 0.5], [0, 0, 0.5]])
    faint, full = ax.patches
    assert (faint.get_alpha(), full.get_alpha()) == (0.5, 1.0)
    assert full.get_path().get_extents().bounds == (1, 0, 1, 1)  # column 1, row 0
    assert faint.get_path().get_extents().bounds == (2, 1, 1, 2)
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 3), (3, 0))
    plt.close(fig)


@pytest.mark.parametrize("image", [[0.0, 1.0], [[0.0, 16.0]], [[0.0, np.nan]]])
def test_pixels_refuse_what_is_no_image(image):
    fig, ax = figure()
    with pytest.raises(ValueError, match=r"image must be a table of numbers in \[0, 1\]"):
        draw_pixels(ax, image)
    plt.close(fig)


def test_importing_lossutils_leaves_matplotlib_alone():
    code = "import lossutils, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_readers_own_plot_still_shows_after_ours():
    """Drawing in the house style first must not switch Jupyter's inline display off."""
    ours = "from lossutils.plots import figure\nfrom lossutils.explore import show\nshow(figure()[0], alt='axes')"
    theirs = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in (ours, theirs)])
    NotebookClient(notebook).execute()
    assert any("image/png" in output.get("data", {}) for output in notebook.cells[1].outputs)
