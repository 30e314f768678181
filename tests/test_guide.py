"""`guide`: bad questions are refused, every combination has its shortlist, and it is there without scripts."""

import itertools

import pytest

from lossutils.atlas import entries
from lossutils.explore.guide import guide, load_notes

NAMES = {"the mean": ["mse_loss"], "the `median`": ["l1_loss", "huber_loss"]}
NOTES = {"wild": dict.fromkeys(NAMES, "Look at a<b."), "rare": dict.fromkeys(NAMES, "Count them.")}
TROUBLES = {"wild": "wild targets", "rare": "rare values"}


def shortlist(answer, wild, rare):
    return {name: entries()[name] for name in NAMES[answer] if entries()[name]["robust"] or not wild}


@pytest.fixture
def made():
    return guide(list(NAMES), TROUBLES, shortlist, NOTES)


def test_every_combination_has_its_shortlist(made):
    assert len(made.lists) == 2 * 2 * 2
    for rare in "01":
        assert made.lists[f"0,0,{rare}"] == ["mse_loss"]
        assert made.lists[f"0,1,{rare}"] == []
        assert made.lists[f"1,1,{rare}"] == ["l1_loss", "huber_loss"]
    assert made.cards.keys() == {"mse_loss", "l1_loss", "huber_loss"}


def test_state_is_escaped_html(made):
    assert made.answers == ["the mean", "the <code>median</code>"]
    assert made.notes[0] == ["Look at a&lt;b.", "Count them."]
    use, breaks = entries()["l1_loss"]["use"], entries()["l1_loss"]["breaks"]
    assert made.cards["l1_loss"] == (
        f"<strong>Absolute error (MAE)</strong>. <em>Use it when:</em> {use}. <em>It breaks with:</em> {breaks}."
    )


def test_text_holds_the_plain_shortlists(made):
    data, _ = made._repr_mimebundle_()
    assert data["text/plain"].splitlines()[1:] == [
        "- the mean: Squared error (MSE)",
        "- the `median`: Absolute error (MAE), Huber",
    ]


def test_without_scripts_each_answer_has_a_fold(made):
    assert made.fallback.count("<details><summary>") == len(NAMES)
    assert made.cards["mse_loss"] in made.fallback
    assert "<li><em>wild targets:</em> Look at a&lt;b.</li>" in made.fallback


@pytest.mark.parametrize(
    ("answers", "troubles", "notes", "message"),
    [
        ([], TROUBLES, NOTES, "expected answers and troubles"),
        (list(NAMES), {}, NOTES, "expected answers and troubles"),
        (list(NAMES), TROUBLES, {"wild": NOTES["wild"]}, "no note for 'rare' and 'the mean'"),
        (list(NAMES), TROUBLES, NOTES | {"rare": {"the mean": "One."}}, "no note for 'rare' and 'the `median`'"),
    ],
)
def test_bad_questions_are_refused(answers, troubles, notes, message):
    with pytest.raises(ValueError, match=message):
        guide(answers, troubles, shortlist, notes)


def test_the_notes_of_the_chapter_are_all_there():
    """Each trouble says something of each answer, the same answers everywhere."""
    notes = load_notes()
    assert len({tuple(found) for found in notes.values()}) == 1
    assert all(len(note.split()) >= 6 for note in itertools.chain(*(found.values() for found in notes.values())))
