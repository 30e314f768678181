// Brings the widgets of a static page to life: each gets a model that holds its state, and no kernel.
(() => {
"use strict";
const renderers = {};

/* MODULES */

/** The part of an anywidget model that a page without a kernel can offer. */
function model(state) {
  const listeners = new Map();
  return {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const event of [`change:${name}`, "change"]) {
        for (const listener of listeners.get(event) ?? []) listener();
      }
    },
    on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
    off: (event, listener) => listeners.set(event, (listeners.get(event) ?? []).filter((other) => other !== listener)),
    save_changes() {},
    send() {},
  };
}

/** Give each frame its changes, which the page stores by their numbers in a pool, since frames share many. */
function unpack({ pool, ...state }) {
  for (const patch of Object.values(state.patches ?? {})) {
    for (const kind of ["ops", "columns"]) {
      if (patch[kind]) patch[kind] = patch[kind].map((number) => pool[number]);
    }
  }
  return state;
}

const alive = new WeakSet();

function bringToLife(el) {
  alive.add(el);
  const script = el.querySelector("script[type='application/json']");
  script.remove();
  const fallback = el.innerHTML;
  try {
    renderers[el.dataset.widget]({ model: model({ ...unpack(JSON.parse(script.textContent)), fallback }), el });
  } catch (error) {
    el.innerHTML = fallback;
    console.error(error);
  }
}

/** Figures answer while the rest of the page is still being read: what follows a figure shows that it is complete. */
function update() {
  const complete = document.readyState !== "loading";
  for (const el of document.querySelectorAll("div.lossutils[data-widget]")) {
    if (!alive.has(el) && (complete || el.nextSibling)) bringToLife(el);
  }
}

const watch = new MutationObserver(update);
watch.observe(document, { childList: true, subtree: true });
document.addEventListener("DOMContentLoaded", () => {
  watch.disconnect();
  update();
});
update();
})();
