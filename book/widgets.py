"""Write our widgets as static HTML that lives on without a kernel.

MyST-NB leaves, for every widget, a script with its model id, and hands the state of all models to Jupyter's
html-manager: 3.6 MB from a CDN. Here each of our widgets becomes a `div` that holds a static fallback and the
widget's own state; a small host script brings it to life with the very module that Jupyter runs.
Widgets that aren't ours show their text.
"""

import json
import re
from pathlib import Path

from docutils import nodes
from myst_nb.core.render import WIDGET_VIEW_MIMETYPE
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.transforms import SphinxTransform

from lossutils.explore.base import STYLE, module

KINDS = ("explore", "quiz", "match", "guide")
HOST = Path(__file__).with_name("host.js")
NOT_FOR_THE_PAGE = {"fallback", "layout", "tabbable", "tooltip"}
POOLED = {"ops", "columns"}
THEME_COLOR = re.compile(r"var\(--lf-\w+,(#\w+)\)")
VIEW_SCRIPT = re.compile(r"<script[^>]*>(.*)</script>", re.DOTALL)


class static_widget(nodes.General, nodes.Element):
    """One of our widgets, with its state and its fallback."""


class StaticWidgets(SphinxTransform):
    """Put a `static_widget` wherever a notebook's output shows one of ours."""

    default_priority = 400

    def apply(self, **kwargs):
        models = self.take_models()
        for bundle in list(self.document.findall(is_mime_bundle)):
            for view in [child for child in bundle if child.get("mime_type") == WIDGET_VIEW_MIMETYPE]:
                widgets = list(our_widgets(models, model_id(view)))
                if widgets:
                    view.children = []
                    view.extend(widgets)
                elif len(bundle) > 1:
                    bundle.remove(view)

    def take_models(self):
        """State of all models of this notebook, which MyST-NB would otherwise write into the page."""
        scripts = NbMetadataCollector.get_js_files(self.env, self.env.docname)
        body = scripts.get("ipywidgets_state", (None, {"body": '{"state": {}}'}))[1]["body"]
        for key in [key for key in scripts if key.startswith("ipywidgets")]:
            del scripts[key]
        return json.loads(body)["state"]


def is_mime_bundle(node):
    """Whether a node holds the alternative forms of one output."""
    return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"


def model_id(view):
    """The id that MyST-NB's script names."""
    return json.loads(VIEW_SCRIPT.search(view.astext())[1])["model_id"]


def our_widgets(models, identifier):
    """Our widgets in a model: itself, or those inside a box."""
    state = models.get(identifier, {}).get("state", {})
    if state.get("kind") in KINDS:
        yield static_widget(
            kind=state["kind"],
            fallback=state["fallback"],
            state={key: value for key, value in state.items() if key[0] != "_" and key not in NOT_FOR_THE_PAGE},
        )
    for child in state.get("children", []):
        yield from our_widgets(models, child.removeprefix("IPY_MODEL_"))


def pooled(state):
    """Store a change that several frames share once: each frame names its changes by their numbers in a pool.

    Examples
    --------
    >>> pooled({"patches": {"0": {"ops": []}, "1": {"ops": [[3, "x", "5"]]}, "2": {"ops": [[3, "x", "5"]]}}})
    {'patches': {'0': {'ops': []}, '1': {'ops': [0]}, '2': {'ops': [0]}}, 'pool': [[3, 'x', '5']]}
    """
    if "patches" not in state:
        return state
    numbers = {}

    def number(change):
        return numbers.setdefault(json.dumps(change), len(numbers))

    patches = {
        key: patch | {kind: [number(change) for change in patch[kind]] for kind in POOLED & patch.keys()}
        for key, patch in state["patches"].items()
    }
    return state | {"patches": patches, "pool": [json.loads(change) for change in numbers]}


def visit_html(translator, node):
    """Write the fallback, and beside it the state that the host script reads."""
    if translator.builder.name == "epub":  # e-readers run no scripts, and not all know variables in styles
        still = THEME_COLOR.sub(r"\1", node["fallback"])
        translator.body.append(f'<div class="lossutils">{still}')
    else:
        translator.body.append(f'<div class="lossutils" data-widget="{node["kind"]}">{node["fallback"]}')
        state = json.dumps(pooled(node["state"]), ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")
        translator.body.append(f'<script type="application/json">{state}</script>')
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def skip(translator, node):
    """Leave the widget out where there is no HTML."""
    raise nodes.SkipNode


def write_host(folder):
    """Make one classic script of the widgets' modules: modules don't load from `file://`."""
    export = "export default { render };"
    parts = []
    for kind in KINDS:
        source = module(kind)
        if source.count(export) != 1:
            raise ValueError(f"{kind}.mjs must end in exactly one {export!r}")
        parts.append("(() => {\n" + source.replace(export, f"renderers.{kind} = render;") + "})();\n")
    host = HOST.read_text(encoding="utf-8").replace("/* MODULES */", "\n".join(parts))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lossutils.js").write_text(host, encoding="utf-8")
    (folder / "lossutils.css").write_text(STYLE, encoding="utf-8")


def load_host(app, pagename, templatename, context, doctree):
    """Link the host from the pages that need it, and from no other."""
    if doctree is not None and doctree.next_node(static_widget):
        app.add_js_file("lossutils.js", loading_method="async")  # figures needn't wait for the page
        app.add_css_file("lossutils.css")


def setup_widgets(app):
    """Register the transform and the node."""
    app.add_node(static_widget, html=(visit_html, None), latex=(skip, None), text=(skip, None))
    app.add_transform(StaticWidgets)
    app.connect("html-page-context", load_host)
