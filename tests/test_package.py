"""The package as a whole: light to import, arrows that run one way, data that are what they say."""

import ast
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

from lossutils import datasets

PACKAGE = Path(__file__).parents[1] / "lossutils"


def test_import_loads_neither_torch_nor_matplotlib():
    code = "import sys, lossutils.functional; print(*{'torch', 'matplotlib', 'ipywidgets'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize(
    "path", [PACKAGE / "engine.py", PACKAGE / "numerics.py", *(PACKAGE / "losses").glob("*.py")], ids=lambda p: p.stem
)
def test_losses_and_what_is_below_know_only_what_is_below(path):
    allowed = {"numerics.py": set(), "engine.py": {"lossutils.numerics"}}.get(
        path.name, {"lossutils.engine", "lossutils.numerics"}
    )
    ours = {name for name in imports(path) if name.startswith("lossutils")}
    assert ours <= allowed
    assert not {name.split(".")[0] for name in imports(path)} & {"torch", "matplotlib", "ipywidgets"}


def test_diabetes_rows_are_scikit_learns():
    ours, theirs = datasets.load_diabetes(), sklearn_datasets.load_diabetes(scaled=False)
    np.testing.assert_array_equal(ours.X, theirs.data)
    np.testing.assert_array_equal(ours.y, theirs.target)


def test_digits_and_breast_cancer_are_scikit_learns_with_malignant_as_1():
    ours, theirs = datasets.load_digits(), sklearn_datasets.load_digits()
    np.testing.assert_array_equal(ours.X, theirs.data)
    np.testing.assert_array_equal(ours.y, theirs.target)
    ours, theirs = datasets.load_breast_cancer(), sklearn_datasets.load_breast_cancer()
    np.testing.assert_array_equal(ours.X, theirs.data)
    np.testing.assert_array_equal(ours.y, theirs.target_names[theirs.target] == "malignant")


def test_housing_has_the_published_size_and_means():
    """546 sales at 68,122 dollars and 5,150 square feet on average, as the table's documentation summarizes it."""
    houses = datasets.load_housing()
    assert houses.X.shape == (546, 11)
    assert houses.y.mean() == pytest.approx(68.1216, abs=1e-4)
    assert houses.X[:, 0].mean() == pytest.approx(5150.27, abs=0.01)
    assert set(np.unique(houses.X[:, [houses.features.index(c) for c in ("driveway", "airco", "prefarea")]])) == {0, 1}


def test_split_is_a_partition_and_checks_its_fractions():
    parts = datasets.split(101, 0.5, 0.2, seed=3)
    assert [part.size for part in parts] == [50, 21, 30]
    assert sorted(np.concatenate(parts)) == list(range(101))
    with pytest.raises(ValueError, match="less than 1"):
        datasets.split(10, 0.5, 0.5)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library gives memory back so eagerly")
def test_temporaries_of_blocks_are_not_fetched_from_the_system_again():
    code = """
import resource
import numpy as np
import lossutils.functional as F

x, t = np.zeros((2, 4 * 65536), np.float32)
for calls in (3, 50):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(calls):
        F.huber_loss(x, t)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert faults < 50 * 2 * 128, "one temporary of one block is 128 pages"
