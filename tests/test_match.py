"""`match`: bad tasks are refused, every choice is answered, and the answers are there without scripts."""

import re

import numpy as np
import pytest

import lossutils.functional as F
from lossutils.explore.match import load_tasks, match

TASKS = [
    ("Is `a<b`?", [("MSE & co", False, "No, `x`."), ("MAE", True, "Yes.")]),
    ("Waits", [("MSE", False, "Pulled up."), ("MAE", True, "The median.")]),
]


def test_text_holds_tasks_and_choices_but_no_answer():
    data, _ = match(TASKS, 2)._repr_mimebundle_()
    assert data["text/plain"] == (
        "match: 2 tasks, goal 2 at the first try\n1. Is `a<b`?\n   - MSE & co\n   - MAE\n2. Waits\n   - MSE\n   - MAE"
    )


def test_state_is_escaped_html():
    task = match(TASKS, 1).tasks[0]
    assert task["text"] == "Is <code>a&lt;b</code>?"
    assert task["choices"][0] == {"text": "MSE &amp; co", "right": False, "feedback": "No, <code>x</code>."}


def test_without_scripts_each_task_is_followed_by_its_answers_in_a_fold():
    fallback = match(TASKS, 1).fallback
    assert fallback.count("<details>") == len(TASKS)
    assert "<details open" not in fallback
    assert "<li><strong>✗ MSE.</strong> Pulled up.</li><li><strong>✓ MAE.</strong> The median.</li>" in fallback


@pytest.mark.parametrize(
    ("tasks", "goal", "message"),
    [
        ([], 1, "there is no task"),
        (TASKS + TASKS[:1], 1, "two tasks have the same text"),
        (TASKS, 0, "goal must be from 1 to the number of tasks, 2; got 0"),
        (TASKS, 3, "goal must be from 1 to the number of tasks, 2; got 3"),
        ([TASKS[0], ("Waits", [("MSE", False, "No."), ("L2", False, "No.")])], 1, "match: task 2: no choice is right"),
        ([("Waits", [("MSE", True, "Yes."), ("L2", False, "")])], 1, "feedback of choice 2 must be text"),
        ([("", TASKS[0][1])], 1, "must be text"),
    ],
)
def test_bad_tasks_are_refused(tasks, goal, message):
    with pytest.raises(ValueError, match=message):
        match(tasks, goal)


# The tasks of chapter 25


def test_the_tasks_make_a_match():
    tasks = load_tasks()
    assert len(tasks) >= 12
    match(tasks, goal=len(tasks))


@pytest.mark.parametrize("task", load_tasks(), ids=lambda task: task.text.split(".")[0].split(",")[0])
def test_every_choice_has_an_answer_of_its_own(task):
    """Each says something about this choice in this task; a right one also says when it wouldn't be."""
    feedback = [choice.feedback for choice in task.choices]
    assert len(set(feedback)) == len(feedback) >= 4
    assert any(not choice.is_right for choice in task.choices)
    assert all(len(text.split()) >= 6 for text in feedback)
    caveat = r"wouldn't|accepted|It needs|If it varies|weights between"
    assert all(re.search(caveat, choice.feedback) for choice in task.choices if choice.is_right)


def test_no_place_wins_the_match():
    """Whoever always takes the first choice, or the second, learns nothing, and doesn't get far."""
    tasks = load_tasks()
    for place in range(max(len(task.choices) for task in tasks)):
        right = [task.choices[place].is_right for task in tasks if place < len(task.choices)]
        assert sum(right) <= 0.4 * len(tasks)


def test_numbers_in_the_answers():
    """What the feedback says of thresholds, quantiles, and costs holds."""
    order, demand = np.random.default_rng(0).gamma(9, 10, size=(2, 1000))
    cost = np.mean(np.where(order < demand, 3.0, 1.0) * np.abs(order - demand))
    np.testing.assert_allclose(cost, 4 * F.pinball_loss(order, demand, quantile=0.75))
    halved = 0.5 * F.l1_loss(order, demand)
    np.testing.assert_allclose(F.pinball_loss(order, demand, quantile=0.5), halved)
    p = 1 / 51
    np.testing.assert_allclose(p * 50, (1 - p) * 1)  # acting and waiting cost the same
    np.testing.assert_allclose(50 * p / (50 * p + 1 - p), 1 / 2)  # where weights of 50 put the threshold
