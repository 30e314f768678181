// Filters the atlas by what the sections' classes say of each loss.
(() => {
"use strict";

const losses = [...document.querySelectorAll("section.loss")];
const families = [...document.querySelectorAll("section[id^='family-']")];
const CLAIMS = {
  convex: "convex",
  differentiable: "smooth slope",
  bounded_gradient: "bounded pull",
  robust: "robust",
  proper: "proper score",
};

const bar = document.createElement("form");
bar.className = "atlas-filter";
bar.setAttribute("aria-label", "Filter the losses");
bar.addEventListener("submit", (event) => event.preventDefault());
const found = document.createElement("output");

function label(text, control, after = false) {
  const element = document.createElement("label");
  element.append(...(after ? [control, ` ${text}`] : [`${text} `, control]));
  bar.append(element);
  return control;
}

function choice(text, field) {
  const select = document.createElement("select");
  const values = new Set(losses.flatMap((loss) => [...loss.classList].filter((name) => name.startsWith(`${field}--`))));
  select.append(new Option("any", ""));
  for (const value of [...values].sort()) select.append(new Option(value.slice(field.length + 2).replaceAll("-", " "), value));
  return label(text, select);
}

function box(text, value) {
  const input = Object.assign(document.createElement("input"), { type: "checkbox", value: `is--${value}` });
  return label(text, input, true);
}

const name = label("Name", Object.assign(document.createElement("input"), { type: "search" }));
const choices = [choice("Takes", "takes"), choice("Makes you predict", "predicts")];
const boxes = Object.entries(CLAIMS).map(([claim, text]) => box(text, claim));
bar.append(found);
families[0].before(bar);

function update() {
  const wanted = [...choices.map((select) => select.value), ...boxes.filter((b) => b.checked).map((b) => b.value)].filter(Boolean);
  const words = name.value.trim().toLowerCase();
  for (const loss of losses) {
    loss.hidden = !wanted.every((value) => loss.classList.contains(value)) || !loss.textContent.toLowerCase().includes(words);
  }
  for (const family of families) family.hidden = ![...family.querySelectorAll("section.loss")].some((loss) => !loss.hidden);
  found.textContent = `${losses.filter((loss) => !loss.hidden).length} of ${losses.length} losses`;
}

bar.addEventListener("input", update);
update();
})();
