"""The corpus of attacks: none earns a point, hurts another submission, or leaves anything behind."""

import json
import os
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE / "attacks")]  # grading/ is not installed

import notebooks  # noqa: E402
import small  # noqa: E402

from grading.limits import MB, Limits  # noqa: E402
from grading.sandbox import descendants, missing  # noqa: E402
from grading.split import grade_notebook  # noqa: E402

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "bubblewrap is here")

CODE = tomllib.loads((HERE / "attacks" / "code.toml").read_text("utf-8"))
LIMITS = Limits(cell_seconds=2, test_seconds=2, patience=0.5, total_seconds=25, memory=400 * MB)
STATES = {"graded", "ungraded", "needs a look"}


def graded(notebook):
    return grade_notebook(small.SOURCE, small.to_bytes(notebook), limits=LIMITS)


def scores(result):
    return {key: cell["score"] for key, cell in result["cells"].items()}


@pytest.fixture(scope="module")
def started():
    """What runs once an honest submission was graded: the grader's own processes."""
    graded(small.handed_in())
    return set(descendants(os.getpid()))


@pytest.fixture
def clean(started, tmp_path, monkeypatch):
    """Nothing may be left behind: neither a process nor a file, ours or the attack's."""
    shared = tempfile.gettempdir()
    files = set(os.listdir(shared))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other tests use the shared one at the same time
    yield
    until = time.monotonic() + 5
    while (left := _alive() - started) and time.monotonic() < until:
        time.sleep(0.1)
    assert {process: _name(process) for process in left} == {}
    assert [name for name in set(os.listdir(shared)) - files if "pwned" in name] == []
    assert os.listdir(tmp_path) == []


def _alive():
    return {process for process in descendants(os.getpid()) if _name(process)}


def _name(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text()
        return "" if state.rsplit(")", 1)[1].split()[0] in "ZX" else state[state.index("(") + 1 : state.rindex(")")]
    except OSError:
        return ""


def check_sane(result):
    """Whatever was handed in, the result is complete, bounded, plain data."""
    assert json.loads(json.dumps(result)) == result
    assert result["state"] in STATES
    assert result["state"] == "graded" or result["reasons"]
    assert set(result["cells"]) == {"mse-value", "mse-hidden", "mae-value", "which"}
    assert {key: cell["points"] for key, cell in result["cells"].items()} == {
        "mse-value": 1, "mse-hidden": 2, "mae-value": 3, "which": 4,
    }  # fmt: skip
    assert all(len(cell["message"]) <= 2000 for cell in result["cells"].values())
    assert len(result["notebook"]) < 2 * MB
    assert "HIDDEN TESTS" not in result["notebook"] + json.dumps(result["cells"])
    assert "default_rng" not in result["notebook"]
    assert "text/html" not in result["notebook"]
    assert (result["state"] == "needs a look") >= any(c["outcome"] == "ungraded" for c in result["cells"].values()) or (
        result["state"] == "ungraded"
    )


def test_corpus_is_large_and_broad():
    assert len(CODE) + len(notebooks.ATTACKS) >= 50
    assert len({attack["category"] for attack in CODE.values()}) >= 12
    assert all(attack["about"] for attack in CODE.values())


def test_honest_work_earns_everything(started):
    result = graded(small.handed_in())
    assert scores(result) == {"mse-value": 1.0, "mse-hidden": 2.0, "mae-value": 3.0, "which": None}
    assert result["state"] == "graded"
    check_sane(result)


@pytest.mark.parametrize("name", CODE)
def test_code_does_not_pay(name, clean):
    attack = CODE[name]
    result = graded(small.handed_in(mse=attack["code"]))
    check_sane(result)
    earned, allowed = scores(result), attack.get("earns", {})
    for key in ("mse-value", "mse-hidden"):
        assert (earned[key] or 0) <= allowed.get(key, 0), result["cells"][key]
    assert earned["which"] is None
    if attack.get("spoils"):
        assert earned["mae-value"] in (3.0, 0.0, None)
    else:
        assert earned["mae-value"] == 3.0, result["cells"]["mae-value"]
        assert result["state"] == "graded", result["reasons"]
    if secret := attack.get("secret"):
        assert secret not in json.dumps(result)
    assert result["seconds"] < 4 * LIMITS.total_seconds + 10


@pytest.mark.parametrize("name", notebooks.ATTACKS)
def test_notebook_does_not_pay(name, clean):
    _, change = notebooks.ATTACKS[name]
    result = graded(change(small.handed_in(mse=None)))
    check_sane(result)
    earned = scores(result)
    assert not earned["mse-value"]
    assert not earned["mse-hidden"]
    assert not earned["which"]
    assert earned["mae-value"] in (3.0, None)
    assert earned["mae-value"] == 3.0 or result["state"] == "ungraded"


def test_honest_work_still_earns_everything(clean):
    """After all of the attacks, in the same process."""
    assert scores(graded(small.handed_in())) == {"mse-value": 1.0, "mse-hidden": 2.0, "mae-value": 3.0, "which": None}
