"""A graded notebook that no browser can be hurt by, in formgrader or anywhere else it is opened.

Formgrader renders Markdown as it comes, scripts included. So Markdown stays as it is only if what it renders to is
made of plain, known elements; if not, its text is shown literally. Outputs keep to text and checked PNGs.
"""

import re

import nbformat
from bleach.sanitizer import Cleaner
from nbconvert.filters.ansi import strip_ansi
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from grading.present import png

LONGEST_TEXT = 100_000
LARGEST_IMAGE = 2_000_000
ALT = "A figure that this cell drew"
TAGS = (
    *("a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "kbd", "li", "ol", "p", "pre", "s", "span", "strong"),
    *("sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul"),
)
# A tag as nbconvert writes it. What else holds a "<" is left to no browser's judgment.
TAG = re.compile(
    rf"</?(?:{'|'.join(TAGS)})"
    r"(?: (?:"
    r'href="(?:https?://|mailto:|#)[^"<>\x00-\x20]*"'
    r'|class="(?:highlight(?: hl-\w+)?|language-\w+|anchor-link|[a-z][a-z0-9]{0,2})?"'
    r'|style="text-align: ?(?:left|right|center);?"'
    r'|id="(?P<id>[^"<>]*)"'
    r'|title="[^"<>]*"'
    r"))* ?/?>"
)
RESERVED_IDS = {"top", "toc", "notebook", "notebook-container", "statusmessage", "graded"}
# What MathJax would do beyond drawing formulas.
MATH_TRICKS = re.compile(
    r"\\(href|url|class|cssId|style|require|unicode|(re)?newcommand|newenvironment|x?def|gdef|let|html\w*)(?![a-z])",
    re.IGNORECASE,
)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _attribute(tag, name, value):
    if tag == "a" and name == "href":
        return re.match(r"https?://|mailto:|#", value, re.IGNORECASE) is not None
    return name == "class" and re.fullmatch(r"highlight( hl-\w+)?|language-\w+|[a-z][a-z0-9]{0,2}", value) is not None


_cleaner = Cleaner(tags=set(TAGS), attributes=_attribute, protocols={"http", "https", "mailto"}, strip=False)


def clean(html: str) -> str:
    """Return HTML of known elements only; all others become text."""
    return _cleaner.clean(html)


def render(source: str, anchors: bool = False) -> str:
    """Return Markdown as nbconvert renders it, HTML and all: not yet clean. Formgrader gives headings `anchors`."""
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=not anchors)
    return MarkdownWithMath(renderer=renderer).render(source)


def is_harmless(source: str, taken: frozenset[str] = frozenset()) -> bool:
    """Whether Markdown renders to known elements only, its formulas only draw, and no heading takes a `taken` id."""
    if MATH_TRICKS.search(source) or len(source) > LONGEST_TEXT or CONTROL.search(source):
        return False
    try:
        rendered = render(source, anchors=True)
    except Exception:  # what the parser doesn't stand is shown literally
        return False
    ids = {match["id"].casefold() for match in TAG.finditer(rendered) if match["id"]}
    reserved = {id.casefold() for id in RESERVED_IDS | taken}
    return "<" not in TAG.sub("", rendered) and not any(id.startswith(tuple(reserved)) for id in ids)


def literal(source: str) -> str:
    """Return Markdown that shows `source` letter for letter."""
    text = CONTROL.sub("\N{REPLACEMENT CHARACTER}", source)
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + "\n… (cut here: the answer is longer)"
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def harmless_markdown(source: str, taken: frozenset[str] = frozenset()) -> str:
    """Return Markdown as it was if it is harmless, else its text in a fence."""
    return source if is_harmless(source, taken) else literal(source)


def harmless_output(output: NotebookNode) -> NotebookNode | None:
    """Return an output reduced to text or a checked PNG, or None if nothing of it is left."""
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return _node(output_type=kind, name=name, text=_plain(output.get("text", "")))
    if kind == "error":
        ename, evalue = _plain(output.get("ename", "")), _plain(output.get("evalue", ""))
        traceback = [_plain(line) for line in output.get("traceback", []) if isinstance(line, str)]
        traceback = traceback or [f"{ename}: {evalue}"]
        return _node(output_type=kind, ename=ename, evalue=evalue, traceback=traceback)
    if kind in ("display_data", "execute_result"):
        data, metadata = output.get("data", {}), {}
        kept = {"text/plain": _plain(data["text/plain"])} if "text/plain" in data else {}
        if image := png(data.get("image/png"), LARGEST_IMAGE):
            kept["image/png"], metadata["image/png"] = image, {"alt": ALT}
        return _node(output_type="display_data", data=kept, metadata=metadata) if kept else None
    return None


def _node(**content):
    """A part of a notebook. nbformat's own makers would check each against the whole schema, and then all once more."""
    return nbformat.from_dict(content)


def _plain(text):
    text = "".join(text) if isinstance(text, list) else str(text)
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", strip_ansi(text))[:LONGEST_TEXT]


def harmless_notebook(text: str, source: list[NotebookNode]) -> NotebookNode:
    """Return the graded notebook for nbgrader: the source's own cells trusted, everything else made harmless.

    Parameters
    ----------
    text : what the grader returned as the notebook
    source : the cells that the instructor wrote
    """
    from nbgrader.utils import is_solution

    trusted = {(cell.cell_type, cell.source) for cell in source if not is_solution(cell)}
    settings = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader for cell in source if "nbgrader" in cell.metadata
    }
    cells, seen = [], set()
    for position, cell in enumerate(nbformat.reads(text, as_version=4).cells):
        cells.append(_cell(cell, trusted, settings, seen, f"cell-{position}"))
    metadata = {"language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _cell(cell, trusted, settings, seen, fresh_id):
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    metadata = {}
    if grade_id in settings and grade_id not in seen:
        seen.add(grade_id)
        metadata["nbgrader"] = {**settings[grade_id], "cell_type": cell.cell_type}
    if cell.cell_type == "code":
        outputs = [kept for output in cell.get("outputs", []) if (kept := harmless_output(output))]
        text = CONTROL.sub("\N{REPLACEMENT CHARACTER}", cell.source)[:LONGEST_TEXT]
        made = {"cell_type": "code", "source": text, "outputs": outputs, "execution_count": None}
    else:
        known = cell.cell_type == "markdown" and ("markdown", cell.source) in trusted
        made = {"cell_type": "markdown", "source": cell.source if known else harmless_markdown(cell.source)}
    own = metadata and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", grade_id)
    return _node(id=grade_id if own else fresh_id, metadata=metadata, **made)


def harmless_name(name: str) -> str:
    """Return a name for nbgrader's own pages, some of which show names as HTML: look-alikes for what HTML reads."""
    return CONTROL.sub("", name).translate(str.maketrans("<>&\"'`{}", "‹›＆”’’（）"))[:120]
