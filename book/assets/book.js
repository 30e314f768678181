// What styles alone can't do.
(() => {
"use strict";

// The theme leaves the book's title in the sidebar outside all landmarks.
document.querySelector(".sidebar-primary-item:has(> .navbar-brand)")?.setAttribute("role", "banner");

// From a folder a page can't read its neighbors, from which the search would quote.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// Paper is white: a dark page is printed in its light colors.
const { dataset } = document.documentElement;
let onScreen = null; // the theme to come back to, while printing

function toPaper(printing) {
  if (printing === (onScreen !== null)) return;
  [dataset.theme, onScreen] = printing ? ["light", dataset.theme] : [onScreen, null];
}

addEventListener("beforeprint", () => toPaper(true));
addEventListener("afterprint", () => toPaper(false));
matchMedia("print").addEventListener("change", ({ matches }) => toPaper(matches));

// Let the keyboard reach boxes that scroll sideways. Maths within a line becomes one where it is wider than its line,
// since browsers don't break formulas.
const boxes = document.querySelectorAll("div.math-box, span.math, div.cell_output div.output");

function update() {
  for (const box of boxes) {
    const line = box.closest("p, li, dd, td, th, div");
    if (box.matches("span.math")) box.classList.toggle("wide", box.firstChild.scrollWidth > line.clientWidth);
    if (box.scrollWidth > box.clientWidth && box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", update);
addEventListener("resize", update);
document.fonts.ready.then(update);
})();
