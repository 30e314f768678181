"""What all widgets share: one look, one kind of module, and a text that is stored whole."""

import re
from html import escape
from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent
STYLE = (HERE / "explore.css").read_text(encoding="utf-8")


def module(kind):
    """Return the source of a widget's ES module; anywidget and the static page take one module a widget.

    Parameters
    ----------
    kind : str
        ``"explore"``, ``"quiz"``, ``"match"``, or ``"guide"``.

    Examples
    --------
    >>> module("quiz").endswith("export default { render };\\n")
    True
    """
    return "\n".join((HERE / f"{name}.mjs").read_text(encoding="utf-8") for name in ("common", kind))


def markup(text):
    r"""Return a text as HTML that is safe to show, with `code` in backticks, and no line break before a %.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> markup("`y < 0` & more")
    '<code>y &lt; 0</code> &amp; more'
    >>> markup("90 %")
    '90\xa0%'
    """
    kept = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", escape(text))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", kept)


class PageWidget(anywidget.AnyWidget):
    """A widget that lives on in a static page, and whose `repr` is its text in a stored notebook."""

    _css = STYLE
    _text = ""

    fallback = traitlets.Unicode().tag(sync=True)

    def __repr__(self):
        return self._text

    def _repr_mimebundle_(self, **options):
        # the base class cuts long texts off
        data, metadata = super()._repr_mimebundle_(**options)
        return {**data, "text/plain": repr(self)}, metadata
