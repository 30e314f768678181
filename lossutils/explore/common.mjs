// What the modules of all widgets share. It stands before each of them, for a widget is one module.

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Texts come from Python as safe HTML: escaped, with <code>.
function makeRich(tag, attributes, html) {
  const node = make(tag, attributes);
  node.innerHTML = html;
  return node;
}

// JupyterLab and the book's theme take keys for themselves before the page's own inputs get them.
// Listening on the window, we come first, and let only shortcuts with a modifier through.
function guardKeys(root) {
  const guard = (event) => {
    const ours = root.contains(event.composedPath()[0]);
    const shortcut = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter");
    if (ours && !shortcut && event.key !== "Tab" && event.key !== "Escape") event.stopImmediatePropagation();
  };
  window.addEventListener("keydown", guard, true);
  return () => window.removeEventListener("keydown", guard, true);
}
