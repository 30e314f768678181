"""From a matplotlib figure to a small, themable SVG tree, and from two trees to their difference."""

import copy
import io
import re
import xml.etree.ElementTree as ET
from html import escape

import matplotlib as mpl

from lossutils.plots import PALETTE

PIXELS_PER_UNIT = 1.5
"""Width on a wide page. At 1.5 the figures' 10.5-unit text comes to the size of the page's own."""

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_PATH_TOKEN = re.compile(rf"[A-Za-z]|{_NUMBER.pattern}")
_ARGUMENTS = {"M": 2, "L": 2, "Q": 4, "C": 6, "Z": 0}
_GEOMETRY = {"x", "y", "width", "height", "viewBox", "transform", "cx", "cy", "r", "rx", "ry", "points"}
_NUMERIC_STYLE = {
    "stroke-width", "stroke-dasharray", "stroke-dashoffset", "stroke-miterlimit",
    "opacity", "fill-opacity", "stroke-opacity",
}  # fmt: skip
_VARIABLES = {code: f"var(--lf-{name},{code})" for name, code in PALETTE.items()}
_VARIABLES["#000000"] = _VARIABLES[PALETTE["ink"]]
_FONT_PARTS = ("font-style", "font-variant", "font-weight", "font-stretch", "font-size")


def figure_to_svg(fig, salt):
    """Render a figure as an SVG tree without namespaces, metadata, or theme-blind colors.

    Parameters
    ----------
    fig : matplotlib.figure.Figure
    salt : str
        Makes the ids inside this figure differ from those of other figures on the page.

    Returns
    -------
    xml.etree.ElementTree.Element
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        fig.savefig(buffer, format="svg", metadata={"Date": None})
    return tidy(ET.fromstring(buffer.getvalue()))


def tidy(root):
    """Shorten matplotlib's SVG in place: what is left is geometry, text, and colors of the theme."""
    _strip_namespaces(root)
    for parent in root.iter():
        for child in list(parent):
            if child.tag in ("metadata", "style"):
                parent.remove(child)
    for node in root.iter():
        _tidy_node(node)
    _drop_idle_ids(root)
    width = float(root.get("viewBox").split()[2])
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": root.get("viewBox"),
        "width": _short(PIXELS_PER_UNIT * width),
        # what matplotlib leaves unsaid is black to it, and ink to us
        "style": f"fill:{_VARIABLES['#000000']};stroke-linejoin:round",
    }
    return root


def to_markup(root, alt):
    """Serialize a tree as HTML, with `alt` as the picture's accessible name."""
    labelled = copy.copy(root)
    labelled.attrib = {**root.attrib, "role": "img", "aria-label": alt}
    return ET.tostring(labelled, encoding="unicode")


def difference(base, frame):
    """List what must change in `base` to make it `frame`.

    Parameters
    ----------
    base, frame : Element
        Two trees whose roots have the same tag.

    Returns
    -------
    list of [int, str, str or None]
        The node's index in document order of `base`, then one of: an attribute's name and new value (None removes
        it); ``"#text"`` and the new text of a node without children; ``"#html"`` and the new markup of its children.

    Examples
    --------
    >>> base = ET.fromstring('<svg><text x="1">0.5</text></svg>')
    >>> difference(base, ET.fromstring('<svg><text x="2">0.7</text></svg>'))
    [[1, 'x', '2'], [1, '#text', '0.7']]
    """
    if base.tag != frame.tag:
        raise ValueError(f"difference: base is a <{base.tag}>, frame a <{frame.tag}>")
    index = {node: i for i, node in enumerate(base.iter())}
    ops = []

    def walk(old, new):
        for name in sorted(old.attrib.keys() | new.attrib.keys()):
            if old.get(name) != new.get(name):
                ops.append([index[old], name, new.get(name)])
        if not len(old) and not len(new):
            if (old.text or "") != (new.text or ""):
                ops.append([index[old], "#text", new.text or ""])
        elif _outline(old) == _outline(new):
            for pair in zip(old, new, strict=True):
                walk(*pair)
        else:
            ops.append([index[old], "#html", _inner_markup(new)])

    walk(base, frame)
    return ops


def apply(base, ops):
    """Return a copy of `base` with a `difference` applied, as the page's script does it.

    Examples
    --------
    >>> base = ET.fromstring('<svg><text x="1">0.5</text></svg>')
    >>> ET.tostring(apply(base, [[1, "x", None], [1, "#text", "0.7"]]), encoding="unicode")
    '<svg><text>0.7</text></svg>'
    """
    root = copy.deepcopy(base)
    nodes = list(root.iter())
    for index, name, value in ops:
        node = nodes[index]
        if name == "#text":
            node.text = value
        elif name == "#html":
            content = ET.fromstring(f"<g>{value}</g>")
            node.text, node[:] = content.text, list(content)
        elif value is None:
            del node.attrib[name]
        else:
            node.set(name, value)
    return root


def _outline(node):
    # text between children cannot be addressed by an op, so it counts as structure
    return node.text or "", [(child.tag, child.tail or "") for child in node]


def _inner_markup(node):
    children = (ET.tostring(child, encoding="unicode") for child in node)
    return escape(node.text or "", quote=False) + "".join(children)


def _strip_namespaces(root):
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
        node.attrib = {name.rpartition("}")[2]: value for name, value in node.attrib.items()}
        if not (node.text or "").strip():
            node.text = None
        if not (node.tail or "").strip():
            node.tail = None


def _tidy_node(node):
    for name, value in list(node.attrib.items()):
        if name == "d":
            node.set(name, _tidy_path(value))
        elif name == "style":
            node.set(name, _tidy_style(value))
        elif name in _GEOMETRY:
            node.set(name, _round(value))
    if node.get("transform", "").startswith(("rotate(0 ", "rotate(-0 ")):
        del node.attrib["transform"]


def _drop_idle_ids(root):
    values = " ".join(value for node in root.iter() for name, value in node.items() if name != "id")
    used = set(re.findall(r"#([\w.-]+)", values))
    for node in root.iter():
        if node.get("id") not in used:
            node.attrib.pop("id", None)


def _tidy_style(style):
    rules = dict(rule.strip().split(":", 1) for rule in style.split(";") if rule.strip())
    rules = {name: value.strip() for name, value in rules.items()}
    if "font-size" in rules:
        parts = [rules.pop(name) for name in _FONT_PARTS if name in rules]
        rules["font"] = " ".join([*parts, rules.pop("font-family", "sans-serif")])
    for name, value in rules.items():
        if name in ("fill", "stroke"):
            rules[name] = _VARIABLES.get(value.lower(), value)
        elif name == "font":
            rules[name] = _tidy_font(value)
        elif name in _NUMERIC_STYLE:
            rules[name] = _round(value)
    return ";".join(f"{name}:{value}" for name, value in rules.items())


def _tidy_font(font):
    """Keep size, weight, and slant; the family is the page's, or monospace."""
    before, size = re.match(r"(.*?)([\d.]+px)", font).groups()
    family = "monospace" if "mono" in font.lower() else "sans-serif"
    return f"{before}{_round(size)} {family}"


def _tidy_path(path):
    """Round to hundredths and write steps instead of places: the same curve in half the bytes."""
    pieces, tokens, position = [], _PATH_TOKEN.findall(path), 0
    here = start = (0, 0)
    previous = None
    while position < len(tokens):
        command = tokens[position].upper()
        count = _ARGUMENTS[command]
        numbers = [round(100 * float(token)) for token in tokens[position + 1 : position + 1 + count]]
        position += 1 + count
        if command == "Z":
            pieces.append("z")
            here = start
        elif command == "M":
            pieces.append("M" + _join(numbers))
            here = start = tuple(numbers)
        else:
            steps = [number - here[i % 2] for i, number in enumerate(numbers)]
            joined = _join(steps)
            if command != previous:
                pieces.append(command.lower())
            elif not joined.startswith("-"):
                pieces.append(" ")
            pieces.append(joined)
            here = tuple(numbers[-2:])
        previous = command
    return "".join(pieces)


def _join(hundredths):
    return " ".join(_short(number / 100) for number in hundredths).replace(" -", "-")


def _round(text):
    return _NUMBER.sub(lambda match: _short(float(match[0])), text)


def _short(number):
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
