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
const boxes = [...document.querySelectorAll("div.math-box, span.math, div.cell_output div.output")];
const maths = boxes.filter((box) => box.matches("span.math"));

// All is measured before anything changes: the browser would lay out the page anew for each box.
function update() {
  const lines = maths.map((box) => box.closest("p, li, dd, td, th, div"));
  const wide = maths.map((box, index) => box.firstChild.scrollWidth > lines[index].clientWidth);
  maths.forEach((box, index) => box.classList.toggle("wide", wide[index]));
  const scrolled = boxes.filter((box) => box.clientWidth && box.scrollWidth > box.clientWidth);
  for (const box of boxes) box.removeAttribute("tabindex");
  for (const box of scrolled) box.tabIndex = 0;
}

// Not before: to ask for the fonts lays out the page, for which the figures would have to wait.
addEventListener("load", () => {
  update();
  document.fonts.ready.then(update);
});
addEventListener("resize", update);
})();
