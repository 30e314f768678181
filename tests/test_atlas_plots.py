"""The plots of the atlas: each loss has one, and the slope drawn is the slope of the value drawn."""

import re

import numpy as np
import pytest

from book.atlas_plots import curve, svg
from lossutils.atlas import entries


@pytest.mark.parametrize("name", entries())
def test_the_slope_is_that_of_the_value(name):
    """Between two places the value rises by the mean slope there, but where the slope jumps."""
    places, values, slopes = curve(name)
    assert np.isfinite(values).all()
    assert np.isfinite(slopes).all()
    rise = np.diff(values) / np.diff(places)
    mean = (slopes[1:] + slopes[:-1]) / 2
    scale = np.max(np.abs(slopes)) + np.max(np.abs(rise))
    agree = np.abs(rise - mean) <= 0.02 * scale
    assert agree.mean() >= 0.9, f"the slope differs at {places[1:][~agree]}"
    assert name == "zero_one_loss" or scale > 0, "the line shows nothing"


def test_a_plot_says_what_it_shows():
    text = svg("huber_loss", "Huber's <loss>")
    assert 'aria-label="Huber&#x27;s &lt;loss&gt; and its slope, against: residual r"' in text
    points = re.findall(r'class="value" points="([^"]+)"', text)[0].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights[0] == heights[-1] == min(heights), "the loss is highest at both ends"
    assert max(heights) == heights[40], "and 0 in the middle"
