"""Tasks matched with losses, and the guide to a shortlist, as a person uses them: by keyboard, or without scripts."""

import pytest
from conftest import DESKTOP, PHONE
from test_explore_live import static_page

from lossutils.atlas import entries
from lossutils.explore.guide import guide
from lossutils.explore.match import match

TASKS = [
    ("Waits", [("MSE", False, "Pulled up."), ("MAE", True, "The median."), ("Huber", True, "Between.")]),
    ("Spam", [("`hinge`", False, "No probability."), ("Log loss", True, "Proper."), ("Accuracy", False, "Flat.")]),
]
NAMES = {"the mean": ["mse_loss"], "the median": ["l1_loss", "huber_loss"]}


def shortlist(answer, wild):
    return {name: entries()[name] for name in NAMES[answer] if entries()[name]["robust"] or not wild}


@pytest.fixture
def show(visit, tmp_path):
    """Open a page that shows widgets; whatever went wrong on it fails the test."""
    visits = []

    def open_page(*widgets, **options):
        file = tmp_path / "page.html"
        file.write_text(static_page(*widgets), encoding="utf-8")
        visits.append(visit(file.as_uri(), **options))
        return visits[-1].page

    yield open_page
    assert [problem for opened in visits for problem in opened.errors + opened.refused] == []


def tasks(goal=1):
    return match(TASKS, goal)


def answers():
    notes = {"wild": {"the mean": "Nothing is left.", "the median": "Robust already."}}
    return guide(list(NAMES), {"wild": "wild targets"}, shortlist, notes)


def said(page):
    return page.locator("[aria-live=polite]").text_content()


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def choose(page, name):
    page.get_by_role("radio", name=name).check()
    page.get_by_role("button", name="Check").click()


def test_match_by_keyboard(show):
    page = show(tasks())
    press(page, "Tab", "Space", "Tab", "Enter")
    assert said(page) == "✗ Not here. Pulled up. 0 of 2 solved, 0 at the first try. Goal: 1 at the first try."
    press(page, "Shift+Tab", "ArrowDown")
    assert said(page) == ""
    press(page, "Tab", "Enter")
    right = "✓ Right. The median. 1 other choice would be accepted too. "
    assert said(page) == right + "1 of 2 solved, 0 at the first try. Goal: 1 at the first try."
    press(page, "Tab", "Enter")  # past the button that is disabled
    assert page.evaluate("document.activeElement.textContent") == "Task 2 of 2. Spam"
    press(page, "Tab", "ArrowDown", "Tab", "Enter")
    assert said(page) == "✓ Right. Proper. 2 of 2 solved, 1 at the first try. ✓ Goal reached."
    assert page.locator(".lf-goal.lf-reached").is_visible()


def test_match_asks_for_a_choice(show):
    page = show(tasks())
    page.get_by_role("button", name="Check").click()
    assert said(page) == "Choose a loss first."
    assert page.locator(".lf-feedback").count() == 0


def test_match_answers_every_choice_and_counts_the_first(show):
    page = show(tasks(goal=2))
    choose(page, "Huber")
    choose(page, "MSE")
    choose(page, "Huber")
    assert page.locator(".lf-feedback").all_text_contents() == ["✗ Not here. Pulled up.", "✓ Right. Between."]
    assert page.locator(".lf-goal").text_content().startswith("1 of 2 solved, 1 at the first try.")
    page.get_by_role("button", name="Next task").click()
    choose(page, "hinge")
    choose(page, "hinge")
    choose(page, "Log loss")
    assert page.locator(".lf-goal").text_content().startswith("2 of 2 solved, 1 at the first try. Goal: 2")


def test_match_keeps_answers_until_it_starts_again(show):
    page = show(tasks())
    choose(page, "MAE")
    page.get_by_role("button", name="Next task").click()
    page.get_by_role("button", name="Previous task").click()
    assert page.locator(".lf-right .lf-feedback").text_content() == "✓ Right. The median."
    page.get_by_role("button", name="Next task").click()
    page.get_by_role("button", name="Start again").click()
    assert page.get_by_role("group", name="Task 1 of 2. Waits").is_visible()
    assert page.locator(".lf-feedback").count() == 0
    assert page.locator(".lf-goal").text_content() == "0 of 2 solved, 0 at the first try. Goal: 1 at the first try."


def test_guide_by_keyboard(show):
    page = show(answers())
    press(page, "Tab", "Tab", "Space")
    assert said(page) == "Nothing is left on the shortlist. Nothing is left."
    assert page.locator(".lf-shortlist li").all_text_contents() == ["Nothing is left."]
    press(page, "Shift+Tab", "ArrowDown")
    assert said(page) == "2 on the shortlist: Absolute error (MAE), Huber. Robust already."
    assert page.locator(".lf-shortlist li").count() == 3
    page.get_by_role("checkbox", name="wild targets").press("Space")
    assert said(page) == "2 on the shortlist: Absolute error (MAE), Huber."


def test_without_scripts_the_answers_are_in_folds(show):
    page = show(tasks(), answers(), javascript=False)
    assert page.locator("details[open]").count() == 0
    assert not page.get_by_text("Pulled up.").is_visible()
    page.get_by_text("Answers").first.click()
    assert page.get_by_text("✗ MSE. Pulled up.").is_visible()
    assert page.get_by_text("✓ MAE. The median.").is_visible()
    page.get_by_text("the median", exact=True).click()
    assert page.get_by_text("wild targets: Robust already.").is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_accessibility_violation_and_no_sideways_scrolling(show, theme, viewport):
    from axe_playwright_python.sync_playwright import Axe

    page = show(tasks(), answers(), viewport=viewport)
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
    if theme == "dark":
        page.add_style_tag(content="html { background: #14181e }")
    choose(page, "MSE")
    page.get_by_role("checkbox", name="wild targets").check()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    results = Axe().run(page)
    rules = {rule["id"] for rule in results.response["violations"]} - {"page-has-heading-one", "region"}
    assert rules == set(), results.generate_report()
