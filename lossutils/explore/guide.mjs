// What is wanted and what makes it hard, answered by a shortlist of losses.

function render({ model, el }) {
  const lists = model.get("lists");
  const cards = model.get("cards");
  const notes = model.get("notes");

  const answer = make("select", {}, ...model.get("answers").map((text) => makeRich("option", {}, text)));
  const boxes = model.get("troubles").map(() => make("input", { type: "checkbox" }));
  const rows = boxes.map((box, index) => {
    const label = makeRich("span", {}, model.get("troubles")[index]);
    return make("div", { class: "lf-control lf-switch" }, make("label", {}, box, label));
  });
  const wanted = make("label", {}, make("span", {}, "The answer is"), answer);
  const panel = make("div", { class: "lf-controls" }, make("div", { class: "lf-control" }, wanted), ...rows);
  const count = make("p");
  const shown = make("ul", {});
  const advice = make("ul", { class: "lf-advice" });
  const status = make("div", { class: "lf-announce", role: "status", "aria-live": "polite" });

  function update() {
    const on = boxes.map((box) => Number(box.checked));
    const names = lists[[answer.selectedIndex, ...on].join(",")];
    const changed = notes[answer.selectedIndex].filter((_, index) => on[index]);
    count.textContent = names.length ? `${names.length} on the shortlist:` : "Nothing is left on the shortlist.";
    shown.replaceChildren(...names.map((name) => makeRich("li", {}, cards[name])));
    advice.replaceChildren(...changed.map((note) => makeRich("li", {}, note)));
    const titles = [...shown.querySelectorAll("strong")].map((title) => title.textContent);
    const added = [...advice.children].map((note) => note.textContent);
    return [count.textContent, titles.length ? `${titles.join(", ")}.` : "", ...added].filter(Boolean).join(" ");
  }

  for (const input of [answer, ...boxes]) input.addEventListener("change", () => (status.textContent = update()));
  el.classList.add("lossutils");
  el.replaceChildren(panel, make("div", { class: "lf-shortlist" }, advice, count, shown), status);
  update();
  return guardKeys(el);
}

export default { render };
