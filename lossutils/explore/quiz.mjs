// A question whose every answer teaches something. Nothing is graded, stored, or sent.

function makeChoice({ text, right, feedback }, type, group) {
  const input = make("input", { type, name: group });
  const answer = make("p", { class: "lf-feedback" });
  answer.hidden = true;
  const item = make("div", { class: "lf-choice" }, make("label", {}, input, makeRich("span", {}, text)), answer);

  function mark(shown) {
    answer.hidden = !shown;
    item.classList.toggle("lf-right", shown && right);
    item.classList.toggle("lf-wrong", shown && !right);
    if (!shown) return;
    const icon = make("span", { class: "lf-icon" }, right ? "✓ Right." : "✗ Not quite.");
    answer.replaceChildren(icon, " ", makeRich("span", {}, feedback));
  }

  return { item, input, right, answer, mark };
}

function verdict(choices) {
  const chosen = choices.filter(({ input }) => input.checked);
  if (!chosen.length) return "Choose an answer first.";
  if (chosen.some(({ right }) => !right)) return "";
  const missing = choices.filter(({ right, input }) => right && !input.checked).length;
  if (!missing) return "";
  return missing === 1 ? "One right answer is still missing." : `${missing} right answers are still missing.`;
}

let quizzes = 0;

function render({ model, el }) {
  quizzes += 1;
  const several = model.get("choices").filter(({ right }) => right).length > 1;
  const group = `lf-quiz-${quizzes}-${Math.random().toString(36).slice(2)}`;
  const choices = model.get("choices").map((choice) => makeChoice(choice, several ? "checkbox" : "radio", group));

  const question = makeRich("legend", {}, model.get("question"));
  if (several) question.append(" ", make("span", { class: "lf-hint" }, "(several answers)"));
  const check = make("button", { type: "button" }, "Check");
  const summary = make("p", { class: "lf-notice" });
  const status = make("div", { class: "lf-announce", role: "status", "aria-live": "polite" });

  check.addEventListener("click", () => {
    for (const { mark, input } of choices) mark(input.checked);
    summary.textContent = verdict(choices);
    const said = choices.filter(({ input }) => input.checked).map(({ answer }) => answer.textContent);
    status.textContent = [...said, summary.textContent].filter(Boolean).join(" ");
  });
  for (const { input } of choices) {
    input.addEventListener("change", () => {
      for (const { mark } of choices) mark(false);
      summary.textContent = status.textContent = "";
    });
  }

  el.classList.add("lossutils");
  el.replaceChildren(
    make("fieldset", { class: "lf-quiz" }, question, ...choices.map(({ item }) => item), check, summary),
    status,
  );
  return guardKeys(el);
}

export default { render };
