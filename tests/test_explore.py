"""Interactive figures: a patched first frame *is* the frame, controls are interact's, and mistakes are named."""

import copy
import gzip
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import ipywidgets as widgets
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

import lossutils.explore.widget as widget_module
from lossutils.explore import Choice, Goal, explore, quiz, show
from lossutils.explore.svg import apply, difference, figure_to_svg, tidy, to_markup
from lossutils.plots import PALETTE, figure, house_style, label_line


def draw(delta=1.0, points=5):
    """A Huber loss; `points` changes the number of elements, `delta` only their attributes."""
    fig, ax = figure()
    residual = np.linspace(-3, 3, points)
    slope = np.clip(residual, -delta, delta)
    ax.plot(residual, slope * (residual - slope / 2), "o-")
    for x in residual:
        ax.text(x, 0, f"{x:.1f}")
    ax.set_ylim(0, 1 + delta)
    return fig, {"delta": delta, "mean": float(np.mean(slope))}


def line(height):
    fig, ax = figure()
    ax.axhline(height)
    return fig


def dump(tree):
    # the order of attributes means nothing
    return ET.canonicalize(ET.tostring(tree, encoding="unicode"))


@pytest.fixture(autouse=True)
def _live_and_clean(monkeypatch):
    monkeypatch.delenv("LOSSUTILS_EXPLORE", raising=False)
    yield
    assert not plt.get_fignums(), "a figure was left open"


tags = st.sampled_from(["g", "path", "text"])
names = st.sampled_from(["x", "y", "style"])
texts = st.text("ab <&>\"'é−", max_size=4)


@st.composite
def trees(draw_from, tag=tags, depth=3):
    node = ET.Element(draw_from(tag), draw_from(st.dictionaries(names, texts, max_size=2)))
    node.text = draw_from(texts)
    if depth:
        for child in draw_from(st.lists(trees(depth=depth - 1), max_size=3)):
            child.tail = draw_from(st.just("") | texts)
            node.append(child)
    return node


svgs = trees(tag=st.just("svg"))


@settings(deadline=None)
@given(svgs, svgs)
def test_difference_applied_to_base_is_the_frame(base, frame):
    before = dump(base)
    ops = json.loads(json.dumps(difference(base, frame)))
    assert dump(apply(base, ops)) == dump(frame)
    assert dump(base) == before


@settings(deadline=None)
@given(svgs, st.data())
def test_difference_of_like_trees_replaces_no_markup(base, data):
    frame = copy.deepcopy(base)
    for node in frame.iter():
        node.attrib = data.draw(st.dictionaries(names, texts, max_size=2))
    ops = difference(base, frame)
    assert all(not name.startswith("#") for _, name, _ in ops)
    assert dump(apply(base, ops)) == dump(frame)


@given(svgs)
def test_difference_to_itself_is_empty(base):
    assert difference(base, copy.deepcopy(base)) == []


def test_difference_needs_a_common_root():
    with pytest.raises(ValueError, match="base is a <svg>, frame a <g>"):
        difference(ET.Element("svg"), ET.Element("g"))


@pytest.mark.parametrize("values", [{"delta": 2.0}, {"points": 9}, {"delta": 0.5, "points": 2}])
def test_patched_first_frame_of_a_real_figure_is_the_frame(values):
    def tree(**values):
        with house_style():
            fig, _ = draw(**values)
            svg = figure_to_svg(fig, "salt")
        plt.close(fig)
        return svg

    base, frame = tree(), tree(**values)
    assert dump(base) != dump(frame)
    assert dump(apply(base, difference(base, frame))) == dump(frame)


def test_svg_keeps_geometry_and_text_and_nothing_else():
    w = explore(draw, alt="A curve.", delta=(1, 2))
    root = ET.fromstring(w.fallback)
    nodes = list(root.iter())
    assert root.get("role") == "img"
    assert root.get("aria-label") == "A curve."
    assert not {"metadata", "style", "title"} & {node.tag.rpartition("}")[2] for node in nodes}
    assert "DOCTYPE" not in w.fallback
    assert "DejaVu" not in w.fallback
    assert "-3.0" in [node.text for node in nodes]
    assert not re.search(r"\d\.\d{3}", w.fallback)
    used = set(re.findall(r"#([\w-]+)", re.sub(r'id="[^"]*"', "", w.fallback)))
    assert {node.get("id") for node in nodes} - {None} <= used


def test_alt_text_is_escaped():
    markup = explore(line, alt='Is "a" < b & c?', height=(0, 1)).fallback
    assert ET.fromstring(markup).get("aria-label") == 'Is "a" < b & c?'


def test_drawing_twice_gives_the_same_bytes():
    first, second = (explore(draw, alt="A.", delta=(1, 3), points=[3, 5]) for _ in range(2))
    for w in (first, second):
        w.complete_frames()
    assert first.fallback == second.fallback
    assert first.patches == second.patches


def test_ids_of_different_figures_differ():
    def ids(alt):
        return set(re.findall(r' id="([^"]*)"', explore(draw, alt=alt, delta=(1, 2)).fallback))

    assert ids("One.")
    assert not ids("One.") & ids("Another.")


def test_relative_path_traces_the_same_points():
    svg = ET.fromstring(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
        '<path d="M 1 2.006 \nL 3.5 -4 \nL -0.25 0 \nC 1 1 2 2 3 3 \nz \nL 2 2"/></svg>'
    )
    assert tidy(svg)[0].get("d") == "M1 2.01l2.5-6.01-3.75 4c1.25 1 2.25 2 3.25 3zl1-0.01"


def test_fonts_keep_size_weight_and_slant_but_not_the_family():
    fig, ax = figure()
    ax.text(0, 0, "bold", weight="bold", size=12)
    ax.text(0, 1, "code", family="monospace", size=10.5)
    svg = figure_to_svg(fig, "x")
    plt.close(fig)
    fonts = {node.text: node.get("style") for node in svg.iter("text")}
    assert "font:700 12px sans-serif" in fonts["bold"]
    assert "font:10.5px monospace" in fonts["code"]


def test_black_is_ink():
    fig, ax = plt.subplots()
    ax.plot([0, 1], [0, 1], "ks")
    markup = to_markup(figure_to_svg(fig, "x"), "x")
    plt.close(fig)
    assert f"stroke:var(--lf-ink,{PALETTE['ink']})" in markup
    assert ET.fromstring(markup).get("style").startswith("fill:var(--lf-ink")


def test_forty_frames_fit_in_a_page():
    x = np.sort(np.random.default_rng(0).normal(size=200))

    def two_panels(power, shift):
        fig, (left, right) = figure(cols=2)
        left.plot(x, np.abs(x - shift) ** power)
        right.scatter(x, np.sin(power * x + shift), s=8)
        return fig

    w = explore(two_panels, alt="Two panels.", power=(1, 8), shift=(0.0, 1.0, 0.25))
    w.complete_frames()
    state = {name: value for name, value in w.get_state().items() if not name.startswith("_")}
    state.pop("layout")
    assert len(w.patches) == 40
    # hundreds of moving points in every frame are more than most figures have
    assert len(gzip.compress(json.dumps(state).encode())) <= 60_000


@pytest.mark.parametrize(
    ("control", "kind", "labels", "start"),
    [
        ((0, 4), "slider", ["0", "1", "2", "3", "4"], 2),
        ((-1, 1), "slider", ["−1", "0", "1"], 1),
        ((0, 10, 5), "slider", ["0", "5", "10"], 1),
        ((0.0, 0.3, 0.1), "slider", ["0.00", "0.10", "0.20", "0.30"], 1),
        (["a", "b"], "select", ["a", "b"], 0),
        ([("one", 1), ("two", 2)], "select", ["one", "two"], 0),
        ({"one": 1, "two": 2}, "select", ["one", "two"], 0),
        (True, "checkbox", ["off", "on"], 1),
        (widgets.IntSlider(min=2, max=4, value=4), "slider", ["2", "3", "4"], 2),
        (
            widgets.FloatSlider(min=0, max=0.002, step=0.001, value=0.001),
            "slider",
            ["0", "0.001", "0.002"],
            1,
        ),
        (
            widgets.FloatSlider(min=0, max=1, step=0.5, readout_format=".0%"),
            "slider",
            ["0%", "50%", "100%"],
            0,
        ),
        (widgets.FloatLogSlider(min=-1, max=1, step=1, value=10), "slider", ["0.1", "1", "10"], 2),
        (widgets.SelectionSlider(options=["low", "high"], value="high"), "slider", ["low", "high"], 1),
        (widgets.RadioButtons(options=["a", "b"], value="b"), "select", ["a", "b"], 1),
        (widgets.ToggleButtons(options={"A": 1, "B": 2}, value=2), "select", ["A", "B"], 1),
        (widgets.Dropdown(options=[3, 4], value=4), "select", ["3", "4"], 1),
        (widgets.Checkbox(value=False), "checkbox", ["off", "on"], 0),
        (widgets.BoundedIntText(min=1, max=2), "slider", ["1", "2"], 0),
    ],
    ids=str,
)
def test_controls_are_those_of_interact(control, kind, labels, start):
    w = explore(lambda height: line(1), alt="A line.", height=control)
    (made,) = w.controls
    assert (made["kind"], made["positions"], made["start"]) == (kind, labels, start)
    assert w.position == [start]


def test_floats_of_a_slider_are_the_decimal_numbers_it_shows():
    w = explore(lambda x: (line(x), {"x": repr(float(x))}), alt="A line.", x=(0.0, 1.0, 0.1))
    w.complete_frames()
    seen = [patch["readouts"][0][1] for patch in w.patches.values()]
    assert seen == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]


def test_label_is_the_description_or_the_name():
    described = widgets.IntSlider(min=0, max=1, description="Height (m)")
    w = explore(lambda a, mean_error: line(1), alt="A line.", a=described, mean_error=(0, 1))
    assert [control["label"] for control in w.controls] == ["Height (m)", "mean error"]


def test_default_in_the_signature_is_the_start():
    w = explore(draw, alt="A curve.", delta=(0.5, 2.0, 0.5), points=[3, 5])
    assert w.values == {"delta": 1.0, "points": 5}


def test_fixed_values_reach_draw_without_a_control():
    w = explore(draw, alt="A curve.", delta=(1, 2), points=widgets.fixed(7))
    assert [control["name"] for control in w.controls] == ["delta"]
    assert w.values == {"delta": 1, "points": 7}


def count_draws(drawn):
    def counting(height, log=False):
        drawn.append((height, log))
        return line(height), {"height": height}

    return counting


def ask(w, key):
    """Play the page: ask for a frame, and return the reply."""
    replies = []
    w.send = replies.append
    w._handle_custom_msg({"frame": key}, [])
    return replies[0] if replies else None


def test_live_widget_draws_a_frame_when_asked_and_keeps_it():
    drawn = []
    w = explore(count_draws(drawn), alt="A line.", height=(0, 4), log=False)
    assert drawn == [(2, False)]
    assert list(w.patches) == ["2,0"]
    assert not w.complete
    reply = ask(w, "3,1")
    assert reply == {"frame": "3,1", "patch": w.patches["3,1"]}
    assert reply["patch"]["readouts"] == [["height", "3"]]
    assert ask(w, "3,1") == reply
    assert drawn == [(2, False), (3, True)]


@pytest.mark.parametrize("key", ["", "9", "0,0", "x", "-1", None, "1,"])
def test_unknown_frame_is_not_drawn(key):
    assert ask(explore(line, alt="A line.", height=(0, 4)), key) is None


def test_complete_frames_draws_the_missing_ones_only():
    drawn = []
    w = explore(count_draws(drawn), alt="A line.", height=(0, 2), log=False)
    w.complete_frames()
    assert sorted(drawn) == [(h, log) for h in range(3) for log in (False, True)]
    assert sorted(w.patches) == ["0,0", "0,1", "1,0", "1,1", "2,0", "2,1"]
    assert w.complete
    assert w.patches["1,0"] == {"ops": [], "readouts": [["height", "1"]], "goal": False}


def test_every_patch_leads_to_its_frame():
    w = explore(draw, alt="A curve.", delta=(1, 2), points=[2, 3, 9])
    w.complete_frames()
    base = ET.fromstring(w.fallback.replace(' xmlns="http://www.w3.org/2000/svg"', ""))
    for i, delta in enumerate([1, 2]):
        for j, points in enumerate([2, 3, 9]):
            fresh = explore(draw, alt="A curve.", delta=widgets.fixed(delta), points=widgets.fixed(points))
            frame = ET.fromstring(fresh.fallback.replace(' xmlns="http://www.w3.org/2000/svg"', ""))
            assert dump(apply(base, w.patches[f"{i},{j}"]["ops"])) == dump(frame)


def test_environment_variable_completes_at_construction(monkeypatch):
    monkeypatch.setenv("LOSSUTILS_EXPLORE", "complete")
    w = explore(line, alt="A line.", height=(0, 3))
    assert w.complete
    assert len(w.patches) == 4


def test_values_and_position_follow_each_other():
    w = explore(draw, alt="A curve.", delta=(0.5, 2.0, 0.5), points=[3, 5])
    seen = []
    w.observe(lambda change: seen.append(change.new), "values")
    w.position = [0, 1]
    assert w.values == {"delta": 0.5, "points": 5}
    w.values = {"delta": 2}
    assert w.position == [3, 1]
    assert seen == [{"delta": 0.5, "points": 5}, {"delta": 2.0, "points": 5}]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"delta": 0.7}, "control 'delta' has no position 0.7: it has 4, from 0.50 to 2.00"),
        ({"points": "many"}, "control 'points' has no position 'many'"),
        ({"gamma": 1}, "no control is named gamma"),
    ],
)
def test_values_without_a_position_are_refused(values, message):
    w = explore(draw, alt="A curve.", delta=(0.5, 2.0, 0.5), points=[3, 5])
    with pytest.raises(ValueError, match=message):
        w.values = values
    assert w.position == [1, 1]


@pytest.mark.parametrize("position", [[0], [9, 0], [-1, 0]])
def test_position_outside_is_refused(position):
    w = explore(draw, alt="A curve.", delta=(0.5, 2.0, 0.5), points=[3, 5])
    with pytest.raises(traitlets.TraitError):
        w.position = position


def test_options_may_be_functions_and_arrays():
    options = {"mean": np.mean, "zeros": np.zeros(3), "ones": np.ones(3)}
    w = explore(lambda what: line(1), alt="A line.", what=options)
    w.values = {"what": options["ones"]}
    assert w.position == [2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (np.float32(-2.5), "−2.5"),
        (12345.678, "12,346"),
        (1234, "1,234"),
        (np.int64(7), "7"),
        (1e-9, "1e−09"),
        (float("nan"), "nan"),
        (float("-inf"), "−inf"),
        (np.array(0.5), "0.5"),
        (np.True_, "yes"),
        ("23 %", "23 %"),
    ],
)
def test_readouts_are_short_texts(value, text):
    w = explore(lambda height: (line(1), {"loss": value}), alt="A line.", height=(0, 1))
    assert w.patches["0"]["readouts"] == [["loss", text]]


def test_alt_may_depend_on_the_values():
    w = explore(line, alt=lambda height: f"A line at {height}.", height=(0, 2))
    w.complete_frames()
    assert w.alt == "A line at 1."
    assert [w.patches[key].get("alt") for key in "012"] == ["A line at 0.", None, "A line at 2."]


def test_goal_is_told_in_each_frame():
    goal = Goal("Find 3.", lambda height: height == 3, reached="It is three.")
    w = explore(line, alt="A line.", height=(0, 4), goal=goal)
    w.complete_frames()
    assert w.goal == {"text": "Find 3.", "reached": "It is three."}
    assert [w.patches[key]["goal"] for key in "01234"] == [False, False, False, True, False]


def test_show_has_no_controls_and_is_complete():
    w = show(line(1), alt="A line.")
    assert w.complete
    assert w.controls == []
    assert list(w.patches) == [""]


def test_widget_lives_in_a_box():
    box = widgets.VBox([explore(line, alt="A line.", height=(0, 4)), quiz("Why?", ANSWERS)])
    assert len(box.children) == 2


def test_state_is_plain_json():
    w = explore(draw, alt="A curve.", delta=(1, 2), goal=Goal("Find 2.", lambda delta: delta == 2))
    w.complete_frames()
    state = w.get_state()
    json.dumps({name: state[name] for name in ("controls", "position", "patches", "goal", "fallback", "alt")})
    assert "values" not in state


def test_alt_is_required():
    with pytest.raises(TypeError, match="alt"):
        explore(line, height=(0, 1))


@pytest.mark.parametrize("alt", ["", "  ", None, 3])
def test_alt_must_say_something(alt):
    with pytest.raises(ValueError, match="alt must say what the figure shows"):
        explore(line, alt=alt, height=(0, 1))


def test_alt_of_a_frame_must_say_something():
    w = explore(line, alt=lambda height: "" if height else "Nothing.", height=(0, 1))
    with pytest.raises(ValueError, match="alt at height = 1 must say"):
        w.complete_frames()


@pytest.mark.parametrize("result", [None, "fig", (None, {}), [1]])
def test_draw_must_return_a_figure(result):
    def careless(height):
        line(height)
        return result

    with pytest.raises(TypeError, match=r"draw must return a matplotlib figure.*at height = 0"):
        explore(careless, alt="A line.", height=(0, 1))


@pytest.mark.parametrize(
    "control",
    ["text", widgets.FloatText(), widgets.IntText(), widgets.SelectMultiple(options=[1]), float, 1j],
    ids=str,
)
def test_control_needs_finitely_many_positions(control):
    with pytest.raises(TypeError, match="control 'height' has no finite set of positions"):
        explore(line, alt="A line.", height=control)


def test_control_needs_a_position():
    with pytest.raises(ValueError, match="control 'height' has no positions"):
        explore(line, alt="A line.", height=[])


def test_too_many_frames_are_counted():
    message = r"500 frames, and max_frames is 400: delta has 50 positions, points has 10 positions"
    with pytest.raises(ValueError, match=message):
        explore(draw, alt="A curve.", delta=(1, 50), points=(1, 10))


def test_max_frames_can_be_raised():
    explore(draw, alt="A curve.", delta=(1, 50), points=(1, 10), max_frames=500)


def fragile(height, log=False):
    if height == 3:
        plt.subplots()
        raise ZeroDivisionError("no loss")
    return line(height)


def test_failing_first_frame_is_named():
    with pytest.raises(RuntimeError, match=r"draw failed at height = 3, log = off: ZeroDivisionError: no loss"):
        explore(fragile, alt="A line.", height=(2, 4), log=False)


def test_failing_later_frame_is_named_and_keeps_its_cause():
    w = explore(fragile, alt="A line.", height=(0, 4), log=False)
    with pytest.raises(RuntimeError, match=r"draw failed at height = 3, log = off") as caught:
        w.complete_frames()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert not w.complete


def test_failing_live_frame_is_shown_to_the_reader():
    w = explore(fragile, alt="A line.", height=(0, 4), log=False)
    patch = ask(w, "3,1")["patch"]
    assert patch["error"] == "draw failed at height = 3, log = on: ZeroDivisionError: no loss"
    assert patch["ops"] == []


def test_readout_must_be_short():
    with pytest.raises(TypeError, match="readout 'losses' must be a number or a str; got list"):
        explore(lambda height: (line(1), {"losses": [1, 2]}), alt="A line.", height=(0, 1))


def test_goal_must_be_open_at_the_start():
    with pytest.raises(ValueError, match=r"goal 'Find 1.' is already reached at the start: height = 1"):
        explore(line, alt="A line.", height=(0, 2), goal=Goal("Find 1.", lambda height: height == 1))


def test_goal_must_be_reachable():
    w = explore(line, alt="A line.", height=(0, 2), goal=Goal("Find 9.", lambda height: height == 9))
    with pytest.raises(ValueError, match=r"goal 'Find 9.' is reached by none of the 3 frames"):
        w.complete_frames()


def test_failing_goal_is_named():
    with pytest.raises(RuntimeError, match=r"the goal's test failed at height = 0: TypeError"):
        explore(line, alt="A line.", height=(0, 1), goal=Goal("Find it.", lambda other: True))


ANSWERS = [("the mean", False, "That is for squares."), ("the `median`", True, "As many above as below.")]


def test_quiz_is_escaped_html_with_code():
    w = quiz("Is `a<b` & c?", ANSWERS)
    assert w.question == "Is <code>a&lt;b</code> &amp; c?"
    assert w.choices[1] == {
        "text": "the <code>median</code>",
        "right": True,
        "feedback": "As many above as below.",
    }
    assert w.fallback == (
        "<p>Is <code>a&lt;b</code> &amp; c?</p><ul><li>the mean</li><li>the <code>median</code></li></ul>"
    )


def test_quiz_takes_named_choices():
    named = quiz("Which?", [Choice(text, is_right, feedback) for text, is_right, feedback in ANSWERS])
    assert named.choices == quiz("Which?", ANSWERS).choices


def test_quiz_text_does_not_tell_the_answer():
    data, _ = quiz("Which constant?", ANSWERS)._repr_mimebundle_()
    assert data["text/plain"] == "quiz: Which constant?\n- the mean\n- the `median`"


@pytest.mark.parametrize(
    ("question", "choices", "message"),
    [
        ("", ANSWERS, "question must be text"),
        ("Which?", ANSWERS[:1], "two choices or more; got 1"),
        ("Which?", [("a", False, "No."), ("b", False, "No.")], "no choice is right"),
        ("Which?", [("a", True, "Yes."), ("b", False, " ")], "feedback of choice 2 must be text"),
        ("Which?", [("", True, "Yes."), ("b", False, "No.")], "text of choice 1 must be text"),
        ("Which?", [("a", True), ("b", False, "No.")], r"choice 1 must be \(text, is_right, feedback\)"),
        ("Which?", ["abc", "def"], "choice 1 must be"),
        ("Which?", [("a", True, "Yes."), ("a", False, "No.")], "the same text"),
    ],
)
def test_bad_quiz_is_refused(question, choices, message):
    with pytest.raises(ValueError, match=message):
        quiz(question, choices)


def test_text_says_what_the_figure_shows_in_full():
    alt = "A long description of a figure. " * 10
    data, _ = explore(line, alt=alt, height=(0, 4))._repr_mimebundle_()
    assert data["text/plain"] == f"explore: {alt}"
    assert "application/vnd.jupyter.widget-view+json" in data
    data, _ = show(line(1), alt=alt)._repr_mimebundle_()
    assert data["text/plain"] == f"figure: {alt}"


def test_stored_outputs_hold_under_nbval(tmp_path):
    cells = [
        "from lossutils.explore import explore, quiz, show\nfrom lossutils.plots import figure",
        "def draw(height):\n    fig, ax = figure()\n    ax.axhline(height)\n    return fig, {'height': height}",
        "explore(draw, height=(0, 4), alt='A horizontal line at the height that the slider chooses.')",
        "fig, ax = figure()\nax.axhline(3)\nshow(fig, alt='A horizontal line.')",
        "quiz('Up or down?', [('up', True, 'Yes.'), ('down', False, 'No.')])",
    ]
    outputs = [
        None,
        None,
        "explore: A horizontal line at the height that the slider chooses.",
        "figure: A horizontal line.",
        "quiz: Up or down?\n- up\n- down",
    ]
    notebook = nbformat.v4.new_notebook()
    for count, (source, text) in enumerate(zip(cells, outputs, strict=True), start=1):
        cell = nbformat.v4.new_code_cell(source, execution_count=count)
        if text:
            data = {"text/plain": text, "application/vnd.jupyter.widget-view+json": {"model_id": "f" * 32}}
            cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=count)]
        notebook.cells.append(cell)
    nbformat.write(notebook, tmp_path / "figures.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", "figures.ipynb"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "5 passed" in result.stdout


# ---- the second core


def test_frames_drawn_ahead_are_those_drawn_here(monkeypatch):
    def draw(n):
        fig, ax = figure()
        ax.plot(range(n))
        return fig, {"points": n}

    def completed():
        widget = explore(draw, n=(1, 20), alt="a line")
        widget.complete_frames()
        return widget.patches

    with_fork = completed()
    monkeypatch.setattr(widget_module, "WORTH_A_FORK", 1000)
    assert with_fork == completed()
    assert list(with_fork) == [str(i) for i in range(20)]


@pytest.mark.parametrize("bad", [2, 19], ids=["drawn here", "drawn ahead"])
def test_a_failure_is_named_wherever_it_happens(bad):
    def draw(n):
        if n == bad:
            raise ZeroDivisionError
        return figure()[0]

    with pytest.raises(RuntimeError, match=f"n = {bad}:"):
        explore(draw, n=(1, 20), alt="axes").complete_frames()


def tables_at(widget, **values):
    """The tables of a frame, put together as the page does it."""
    widget.complete_frames()
    widget.values = values
    patch = widget.patches[",".join(map(str, widget.position))]
    tables = json.loads(json.dumps(patch.get("tables", widget.tables)))
    for table, column, cells in patch.get("columns", []):
        tables[table]["columns"][column] = cells
    return tables


def labelled(height=1, bars=False):
    fig, (left, right) = figure(cols=2)
    x = np.linspace(-3, 3, 301)
    left.plot(x, height * x**2, label="square")
    left.plot(x, height * np.abs(x), label="_absolute")
    left.plot(x, x)
    left.axhline(1, label="a level")
    left.set(xlim=(0, 2), xlabel="residual", ylabel="loss")
    if bars:
        right.bar(["a", "b"], [height, 2.5], label="counts")
    else:
        right.plot([1, 2], [height, np.nan], "o", label="points")
        right.set_xlim(0, 3)
    return fig


def test_table_has_the_points_of_all_that_is_labelled():
    w = explore(labelled, alt="A.", height=(1, 3))
    for height in (1, 3):
        curves, points = tables_at(w, height=height)
        (head, x), (first, square), (second, absolute) = curves["columns"]
        assert (head, first, second) == ("residual", "square", "absolute")
        x, square, absolute = (np.array(cells.split(), dtype=float) for cells in (x, square, absolute))
        assert len(x) == 30
        assert (x.min(), x.max()) == (0, 2)
        np.testing.assert_allclose(square, height * x**2, atol=0.02 * height)
        np.testing.assert_allclose(absolute, height * x, atol=0.02 * height)
        assert curves["title"] == "loss; 30 of 101 points, evenly spaced"
        assert points["columns"] == [["x", "1 2"], ["points", f"{height} –"]]


def test_table_may_change_its_shape_from_frame_to_frame():
    w = explore(labelled, alt="A.", bars=False)
    assert tables_at(w, bars=True)[1]["columns"] == [["x", ["a", "b"]], ["counts", "1.000 2.500"]]
    assert tables_at(w, bars=False)[1]["columns"] == [["x", "1 2"], ["points", "1 –"]]


def test_stacked_panels_share_the_label_of_the_lowest():
    def stacked(height=1):
        fig, (upper, lower) = figure(rows=2, sharex=True)
        upper.plot([1, 2], [3, 4], label="loss")
        lower.plot([1, 2], [height, 6], label="slope")
        lower.set_xlabel("residual")
        return fig

    heads = [table["columns"][0][0] for table in explore(stacked, alt="A.", height=(1, 2)).tables]
    assert heads == ["residual", "residual"]


def test_figure_function_may_supply_the_table():
    w = explore(line, alt="A.", height=(0, 2), table=lambda height: {"height": [height], "name": ["line"]})
    assert tables_at(w, height=2) == [{"title": "", "columns": [["height", "2"], ["name", ["line"]]]}]


def test_bad_table_is_refused():
    with pytest.raises(RuntimeError, match=r"table failed at height = 1: ValueError: table: columns must be equally"):
        explore(line, alt="A.", height=(0, 2), table=lambda height: {"height": [1], "name": []})


def test_direct_label_names_the_line_in_the_table():
    fig, ax = figure()
    (curve,) = ax.plot([0, 1], [0, 1])
    label_line(ax, curve, "identity")
    assert show(fig, alt="A.").tables[0]["columns"][1] == ["identity", "0 1"]
