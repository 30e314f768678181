"""Where PyTorch is wrong and this library isn't: the table, and that both halves of the claim hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from lossutils import extremes

PAGE = Path(__file__).parents[1] / "appendix" / "where-pytorch-is-wrong.md"


@pytest.fixture(scope="module")
def rows():
    return extremes.compare_extremes()


@pytest.mark.parametrize("i", range(len(extremes.EXTREMES)), ids=lambda i: extremes.EXTREMES[i].text)
def test_ours_is_right_in_both_dtypes_and_torchs_is_not(rows, i):
    row = rows[i]
    assert extremes.is_right(row.ours32, row.exact)
    assert extremes.is_right(row.ours64, row.exact)
    assert not extremes.is_right(row.torch32, row.exact)


def test_the_page_is_what_the_command_prints():
    command = [sys.executable, "-m", "lossutils.verify", "--extreme"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert PAGE.read_text(encoding="utf-8") == printed
