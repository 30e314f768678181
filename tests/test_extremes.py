"""Where PyTorch is wrong and this library isn't: the table, and that both halves of the claim hold."""

import importlib.util
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import lossutils.functional as F
from lossutils import extremes
from lossutils.verify import NO_TORCH

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


def test_stored_answers_are_what_pytorch_says():
    stored = json.loads(resources.files("lossutils.data").joinpath(extremes.STORED).read_text())
    live = json.loads(extremes.stored_answers())
    assert stored.keys() == live.keys()
    for question, answers in live.items():
        np.testing.assert_allclose(stored[question], answers, rtol=extremes.RIGHT, err_msg=question)


def test_the_answers_are_the_same_where_pytorch_is_missing(capsys, monkeypatch):
    losses = (F.cross_entropy, F.soft_margin_loss)
    extremes.verify_extremes(*losses)
    live = capsys.readouterr().out.splitlines()
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    monkeypatch.setattr(extremes, "_answers", None)
    extremes.verify_extremes(*losses)
    assert capsys.readouterr().out.splitlines() == [NO_TORCH, *live]


def test_only_the_questions_to_these_losses_are_printed(capsys):
    extremes.verify_extremes(F.kl_div)
    asked = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert asked == [extreme.text for extreme in extremes.EXTREMES if extreme.name == "kl_div"]
    with pytest.raises(LookupError, match="huber_loss"):
        extremes.verify_extremes(F.huber_loss)
