"""Typeset maths at build time: LaTeX becomes MathML, which browsers draw with no script at all."""

import re

from docutils.nodes import SkipNode
from math_core import LatexError, LatexToMathML
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)
converter = LatexToMathML(xml_namespace=True, fancy_error=False)
NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|equation|gather|multline)\}")


def setup_maths(app):
    """Register the renderer; `html_math_renderer: mathml` chooses it."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))


def visit_inline(translator, node):
    """Write maths within a line."""
    translator.body.append(f'<span class="math notranslate nohighlight">{to_mathml(node, display=False)}</span>')
    raise SkipNode


def visit_display(translator, node):
    """Write displayed maths in a box that scrolls by itself, with its number at the right."""
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    translator.body.append(f'<div class="math-box">{to_mathml(node, display=True)}</div>')
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise SkipNode


def to_mathml(node, *, display):
    """Convert a node's LaTeX; a formula that can't be converted is a warning, hence a failed build."""
    try:
        mathml = converter.convert_with_local_state(prepare(node.astext()), displaystyle=display)
    except LatexError as error:
        logger.warning("Maths not understood: %s\n%s", error, node.astext(), location=node)
        return ""
    return mathml.replace("&ApplyFunction;", "\N{FUNCTION APPLICATION}")  # XHTML has no named entities


def prepare(latex):
    """Leave numbering to Sphinx, and let bare line breaks align, as Sphinx does for MathJax."""
    latex = NUMBERED.sub(r"\\\1{\2*}", latex)
    if r"\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    return latex
