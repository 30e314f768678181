"""Grading is right and just: what is right earns everything, what is wrong costs that test alone."""

import json
import sys
import time
import tomllib
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE)]  # grading/ is not installed

import small  # noqa: E402

from grading import names, shared, split  # noqa: E402
from grading.limits import Limits, SandboxError  # noqa: E402
from grading.sandbox import missing  # noqa: E402
from grading.split import grade_notebook  # noqa: E402
from grading.trusted import HIDDEN_CASE, Zygote  # noqa: E402

NEEDS_SANDBOX = pytest.mark.skipif(bool(missing()), reason=missing() or "bubblewrap is here")
pytestmark = NEEDS_SANDBOX
ASSIGNMENTS = sorted(path.parent.name for path in ROOT.glob("exercises/*/*.ipynb"))
QUICK = Limits(cell_seconds=3, test_seconds=3, patience=1, total_seconds=40)
ALL = {"mse-value": 1.0, "mse-hidden": 2.0, "mae-value": 3.0, "which": None}


def read(folder, name):
    return json.loads((ROOT / folder / name / f"{name}.ipynb").read_text("utf-8"))


def answered(name, **answers):
    """The student version with the solution's answers, but for those given by cell id."""
    notebook = read("exercises", name)
    right = {
        c["id"]: c["source"]
        for c in read("solutions", name)["cells"]
        if c["metadata"].get("nbgrader", {}).get("solution")
    }
    for cell in notebook["cells"]:
        cell["source"] = (right | answers).get(cell["id"], cell["source"])
    return json.dumps(notebook).encode()


def source(name):
    return (ROOT / "solutions" / name / f"{name}.ipynb").read_text("utf-8")


def grade(limits=QUICK, source=small.SOURCE, **answers):
    return grade_notebook(source, small.to_bytes(small.handed_in(**answers)), limits=limits)


def scores(result):
    return {key: cell["score"] for key, cell in result["cells"].items()}


def outcomes(result):
    return {key: cell["outcome"] for key, cell in result["cells"].items()}


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_solution_earns_everything_and_the_untouched_nothing(name):
    # Each call of a test's function by a student's leaves the sandbox: thousands would use up a slow machine's time.
    result = grade_notebook(source(name), answered(name), limits=Limits(callbacks=1000))
    assert result["state"] == "graded", result["reasons"]
    for key, cell in result["cells"].items():
        assert cell["outcome"] in ("passed", "manual"), (key, cell)
        assert cell["score"] == (None if cell["outcome"] == "manual" else cell["points"])
    untouched = grade_notebook(source(name), json.dumps(read("exercises", name)).encode())
    assert untouched["state"] == "graded", untouched["reasons"]
    assert set(scores(untouched).values()) == {0.0}
    told = [cell["message"] for cell in untouched["cells"].values() if cell["outcome"] == "failed"]
    assert all("NotImplementedError" in message for message in told)


def mistakes():
    for name in ASSIGNMENTS:
        path = ROOT / "tests" / "wrong_answers" / f"{name}.toml"
        for mistake, entry in tomllib.loads(path.read_text("utf-8")).items() if path.exists() else ():
            yield name, mistake, entry


@pytest.mark.parametrize(("name", "mistake", "entry"), [pytest.param(*m, id=f"{m[0][:2]}-{m[1]}") for m in mistakes()])
def test_usual_mistakes_cost_what_they_should_and_are_named(name, mistake, entry):
    result = grade_notebook(source(name), answered(name, **entry["answers"]))
    lost = {key for key, cell in result["cells"].items() if cell["outcome"] not in ("passed", "manual")}
    assert lost == set(entry["loses"]), {key: result["cells"][key]["message"] for key in lost}
    for key, told in entry["loses"].items():
        message = result["cells"][key]["message"]
        assert told in message or message.startswith(HIDDEN_CASE)


def test_what_follows_the_last_test_runs_in_the_sandbox_only(monkeypatch):
    """A demonstration there decides nothing, and may take all the time of a test."""
    asked, ask = [], split._Grading.ask

    def noted(self, cell, *arguments):
        asked.append(cell.key)
        return ask(self, cell, *arguments)

    monkeypatch.setattr(split._Grading, "ask", noted)
    show = small._cell("show", "print(mae(a, b))", locked=True)
    both = [json.loads(text) for text in (small.SOURCE, small.to_bytes(small.handed_in()))]
    for notebook in both:
        notebook["cells"].append(show)
    result = grade_notebook(json.dumps(both[0]), json.dumps(both[1]).encode(), limits=QUICK)
    assert scores(result) == ALL
    assert asked[-1] == "mae-value"
    assert "1.5" in json.loads(result["notebook"])["cells"][-1]["outputs"][0]["text"]


def test_result_is_a_valid_notebook_without_hidden_tests():
    result = grade()
    shown = nbformat.reads(result["notebook"], as_version=4)
    nbformat.validate(shown)
    assert "default_rng" not in result["notebook"]
    marks = {c.metadata.nbgrader.grade_id: c.metadata.nbgrader for c in shown.cells if "nbgrader" in c.metadata}
    assert marks["mse-value"].points == 1
    assert result["peak_bytes"] > 10**7


@pytest.mark.parametrize(
    "line",
    [
        "import warnings; warnings.warn('careful')",
        "import sys; print('debug', file=sys.stderr)",
        "print('x' * 100000)",
        "import logging; logging.error('no')",
        "np.float64(1) / 0",
        "np.seterr(all='raise')",
        "import os; os.write(2, b'x' * 100000)",
    ],
)
def test_noise_costs_nothing(line):
    result = grade(mse=f"def mse(p, t):\n    {line}\n    return np.mean((p - t) ** 2), p")
    assert scores(result) == ALL


def test_magics_run_as_in_jupyter():
    text = "%matplotlib inline\n!echo hi\n%timeit -n1 -r1 sum([1])\n" + small.RIGHT["mse"]
    assert scores(grade(mse=text)) == ALL


def test_endless_loop_costs_that_question_alone():
    result = grade(mse="def mse(p, t):\n    while True: pass")
    assert outcomes(result) == {
        "mse-value": "timeout",
        "mse-hidden": "timeout",
        "mae-value": "passed",
        "which": "manual",
    }
    assert result["state"] == "graded"
    assert result["seconds"] < 80


@pytest.mark.parametrize(
    "line", ["while True: pass", "import os; os._exit(1)", "import os; os.kill(os.getpid(), 9)", "1 / 0"]
)
def test_cell_that_ends_badly_costs_that_question_alone(line):
    result = grade(mse=f"import time\n{line}\n" + small.RIGHT["mse"])
    assert scores(result) == ALL | {"mse-value": 0.0, "mse-hidden": 0.0}
    assert "mse is not defined" in result["cells"]["mse-value"]["message"]


def test_what_is_left_after_the_time_is_ungraded_not_zero():
    result = grade(Limits(cell_seconds=4, test_seconds=40, total_seconds=4), mse="def mse(p, t):\n    while True: pass")
    assert result["cells"]["mae-value"]["score"] is None
    assert result["cells"]["mae-value"]["outcome"] == "ungraded"
    assert result["state"] == "needs a look"


def test_tests_do_not_see_what_other_tests_did():
    """A function that counts its calls starts at the same count in each question's tests."""
    text = (
        "calls = []\ndef mae(p, t):\n    calls.append(1)\n    return np.mean(np.abs(p - t)) if len(calls) == 1 else 0.0"
    )
    assert scores(grade(mae=text))["mae-value"] == 3.0


def with_cells(answer, *cells):
    """Grade a hand-in of these cells, of which the one called "solve" has an answer."""
    handed_in = [cell | {"source": answer} if cell["id"] == "solve" else cell for cell in cells]
    source, submission = (json.dumps(small._notebook(list(each))) for each in (cells, handed_in))
    return grade_notebook(source, submission.encode(), limits=QUICK)


def solved(text):
    return small._cell("solve", f"### BEGIN SOLUTION\n{text}\n### END SOLUTION", solution=True)


def with_test(text, answer, setup="", hidden=False):
    """The result of one test of one function."""
    text = f"### BEGIN HIDDEN TESTS\n{text}\n### END HIDDEN TESTS" if hidden else text
    imports = "import numpy as np\n\nfrom lossutils.hints import check_close\n"
    result = with_cells(
        answer,
        small._cell("setup", imports + setup, locked=True),
        solved("def solve(*a):\n    pass\nextra = 1"),
        small._test("test", 1, text),
    )
    return result["cells"]["test"]


CROSSING = [
    ("assert solve(1, 2.5, None, 'x', (1, [2])) == (1, 2.5, None, 'x', (1, [2]))", "def solve(*a): return a"),
    ("assert solve(np.eye(2)).dtype == np.float64", "def solve(x): return x"),
    ("assert type(solve(np.float32(2))) is np.float32", "def solve(x): return x"),
    ("x = np.zeros(3)\nsolve(x)\nassert not x.any()", "def solve(x): return x + 1"),
    ("x = np.zeros(3)\nsolve(x)\nassert (x != 0).all() and (x != 1).all()", "def solve(x): x += 1"),
    ("assert solve(lambda x: x + 1) == 3", "def solve(f): return f(2)"),
    ("assert solve(2)(3) == 6", "def solve(n): return lambda x: n * x"),
    ("assert solve(solve) == 1", "def solve(f): return 1 if f is solve else 0"),
    ("n = 0\ndef f():\n    global n\n    n += 1\nsolve(f)\nassert n == 3", "def solve(f):\n    for _ in range(3): f()"),
    ("calls.clear()\nsolve(spy)\nassert calls == [7]", "def solve(f): f(7)"),
    ("assert solve(lambda g: g(4)) == 16", "def solve(f): return f(lambda x: x * x)"),
    ("try:\n    solve()\nexcept ValueError:\n    pass\nelse:\n    assert False", "def solve(): raise ValueError('no')"),
    ("assert extra == {'a': (1, 2)}", "def solve(): pass\nextra = {'a': (1, 2)}"),
    (
        "def fail(): raise KeyError('k')\nassert solve(fail) == 'k'",
        "def solve(f):\n    try: f()\n    except KeyError as e: return e.args[0].strip(chr(39))",
    ),
]


@pytest.mark.parametrize(("text", "answer"), CROSSING)
def test_what_crosses(text, answer):
    result = with_test(text, answer, setup="calls = []\ndef spy(x):\n    calls.append(x)\n")
    assert result["outcome"] == "passed", result["message"]


def test_five_thousand_callbacks_are_quick():
    text = "seen = []\nsolve(lambda x: seen.append(0) or x)\nassert len(seen) == 5000"
    started = time.monotonic()
    result = with_test(text, "def solve(f):\n    x = np.zeros(40)\n    for _ in range(5000): x = f(x)")
    assert result["outcome"] == "passed", result["message"]
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("text", "answer", "told", "untold"),
    [
        ("check_close(solve(), 41.5)", "def solve(): return 1.5", "value is 1.5, expected 41.5", "check_close"),
        ("np.testing.assert_allclose(solve(), 41.5)", "def solve(): return 1.5", "by up to 40", "41.5"),
        (
            "np.testing.assert_allclose(solve(), 1., strict=True)",
            "def solve(): return np.ones(2)",
            "shape (2,)",
            "strict",
        ),
        ("assert solve() == 41, 'the secret'", "def solve(): return 1", "hidden case failed.", "secret"),
        ("solve(4177)", "def solve(x): raise ValueError(x)", "stops with ValueError in the line: def solve", "4177"),
        ("solve(4177)", "def nothing(): pass", "solve is not defined", "4177"),
    ],
)
def test_hidden_case_says_what_was_wrong_and_not_more(text, answer, told, untold):
    result = with_test(text, answer, hidden=True)
    assert result["outcome"] == "failed"
    assert told in result["message"]
    assert untold not in result["message"]


def test_visible_case_says_everything():
    result = with_test("solve(4177)", "def solve(x):\n    raise ValueError(x)")
    assert "ValueError: 4177" in result["message"]
    assert "raise ValueError(x)" in result["message"]


def test_worker_that_hangs_on_an_answer_is_replaced():
    """A test that counts up to what the student returned must not hold up the others."""
    result = with_cells(
        "def solve(): return 10**18",
        solved("def solve():\n    return 3"),
        small._test("first", 1, "import numpy as np\nfor _ in range(solve()):\n    pass"),
        small._test("second", 1, "assert solve() == 10**18\nassert np.pi > 3"),
    )
    assert outcomes(result) == {"first": "timeout", "second": "passed"}


def test_functions_that_two_tests_pass_are_not_confused():
    answer = "def solve(f): return f(3)"
    result = with_cells(
        answer,
        solved(answer),
        small._test("first", 1, "assert solve(lambda x: x + 1) == 4"),
        small._test("second", 1, "assert solve(lambda x: x * 5) == 15"),
    )
    assert outcomes(result) == {"first": "passed", "second": "passed"}


def test_process_that_forks_workers_may_end(capfd):
    grade()
    zygote = Zygote._all[Zygote,]
    zygote.process.kill()
    zygote.process.wait()
    assert scores(grade()) == ALL
    assert "Zygote has ended: it returned -9; another is started" in capfd.readouterr().err


def test_without_a_sandbox_the_result_is_the_same():
    result = grade_notebook(small.SOURCE, small.to_bytes(small.handed_in()), limits=QUICK, sandboxed=False)
    assert scores(result) == ALL


def test_missing_sandbox_is_an_error(monkeypatch):
    monkeypatch.setattr(split, "missing", lambda: "there is none")
    with pytest.raises(SandboxError, match="there is none"):
        grade()


def test_a_name_that_only_a_test_defines_can_be_used_later():
    notebook = small.handed_in(mae="size = value.size\n" + small.RIGHT["mae"])
    assert scores(grade_notebook(small.SOURCE, small.to_bytes(notebook), limits=QUICK)) == ALL


def test_names_of_a_cell():
    found = names.names_of(
        "import a.b\nfrom c import d as e\nx, (y, *z) = f(w)\nfor i in x:\n    j = i\ndef g(k): l = m\n%magic\n"
    )
    assert found.defined == {"a", "e", "x", "y", "z", "i", "j", "g"}
    assert found.imported == {"a", "e"}
    assert found.read >= {"f", "w", "m", "x", "i"}
    assert found.modules == {"a.b", "c"}


def test_only_functions_of_their_arguments_are_shared():
    space = {}
    code = "import numpy as np\ncount = []\ndef pure(x): return np.abs(x)\ndef spy(x): return count.append(x)\ndef luck(x): return np.random.rand()\ndef deep(x): return pure(x)"  # noqa: E501
    exec(compile(code, "<setup:s>", "exec"), space)
    assert [bool(shared.known_there(space[n], space)) for n in ("pure", "deep", "spy", "luck")] == [
        True,
        True,
        False,
        False,
    ]
