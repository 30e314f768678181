"""The atlas page: every loss with its card, and a filter that says how many it found."""

import pytest

from lossutils.atlas import entries

PAGE = "appendix/atlas.html"
SHOWN = "[...document.querySelectorAll('section.loss')].filter((loss) => loss.checkVisibility()).map((loss) => loss.id)"


@pytest.fixture
def atlas(visit, site):
    """The page, with a way to ask which losses it shows."""
    return visit(f"{site}/{PAGE}").page


def names(**claims):
    """The losses of which this is claimed, in the page's order: by family."""
    return {name for name, entry in entries().items() if all(entry.get(k) == v for k, v in claims.items())}


def test_every_loss_has_a_card_also_without_scripts(visit, site):
    page = visit(f"{site}/{PAGE}", javascript=False).page
    for name, entry in entries().items():
        card = page.locator(f"section#{name}")
        assert card.locator("h3").inner_text().startswith(entry["title"].replace("'", "’"))
        text = card.inner_text()
        assert name in text
        assert all(other in text for other in entry["names"].values())


@pytest.mark.parametrize(
    ("label", "claims"),
    [("robust", {"robust": True}), ("convex", {"convex": True}), ("proper score", {"proper": True})],
)
def test_boxes_filter_by_what_is_claimed(atlas, label, claims):
    assert len(atlas.evaluate(SHOWN)) == len(entries())
    box = atlas.get_by_label(label, exact=True)
    box.focus()
    atlas.keyboard.press("Space")
    assert set(atlas.evaluate(SHOWN)) == names(**claims)
    assert atlas.locator(".atlas-filter output").inner_text() == f"{len(names(**claims))} of {len(entries())} losses"


def test_lists_and_name_filter_together(atlas):
    atlas.get_by_label("Takes").select_option("number")
    atlas.get_by_label("Makes you predict").select_option("median")
    assert set(atlas.evaluate(SHOWN)) == names(takes="number", predicts="median")
    atlas.get_by_label("Makes you predict").select_option("any")
    atlas.get_by_label("Name").fill("HuberRegressor")
    assert atlas.evaluate(SHOWN) == ["huber_loss"]
    atlas.get_by_label("Name").fill("no such loss")
    assert atlas.evaluate(SHOWN) == []
    assert atlas.locator("section[id^=family-]:visible").count() == 0
