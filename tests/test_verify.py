"""The comparison with PyTorch: live and stored give the same table, and a wrong loss is caught."""

import importlib.util
import json
from importlib import resources

import numpy as np
import pytest

import lossutils.functional as F
from lossutils import elementwise, verify


def test_stored_answers_are_what_pytorch_says():
    stored = json.loads(resources.files("lossutils.data").joinpath(verify.STORED).read_text())
    live = json.loads(verify.stored_answers())
    assert stored.keys() == live.keys()
    for name, cases in live.items():
        for case, (value, gradient) in cases.items():
            rtol = verify.AGREEMENT[case.rsplit(", ")[-1]]
            np.testing.assert_allclose(stored[name][case][0], value, rtol=rtol, err_msg=f"{name}: {case}")
            np.testing.assert_allclose(stored[name][case][1], gradient, rtol=rtol, err_msg=f"{name}: {case}")


@pytest.mark.parametrize(("name", "parameters"), verify.VERIFIED, ids=str)
def test_the_table_is_the_same_where_pytorch_is_missing(name, parameters, capsys, monkeypatch):
    verify.verify(getattr(F, name), **parameters)
    live = capsys.readouterr().out
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    verify.verify(getattr(F, name), **parameters)
    stored = capsys.readouterr().out
    assert stored.count(f"{verify.NO_TORCH}\n") == 1
    assert stored.replace(f"{verify.NO_TORCH}\n", "") == live
    assert max(map(len, stored.splitlines())) <= verify.WIDTH


def test_a_wrong_loss_is_caught(monkeypatch):
    @elementwise
    def mse_loss(input, target):
        residual = input - target
        return residual * residual, 2.001 * residual

    wrong = [row.case for row in verify.compare(mse_loss) if not row.agrees]
    assert "ordinary, float64" in wrong
    assert "tiny residuals, float32" in wrong


def test_an_unknown_comparison_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    with pytest.raises(LookupError, match=r"huber_loss\(delta=77\)"):
        verify.verify(F.huber_loss, delta=77)
    with pytest.raises(TypeError, match="verify takes a loss"):
        verify.verify(np.mean)
