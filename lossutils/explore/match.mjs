// Tasks to match with a loss, one at a time, with a score. Every choice is answered. Nothing is graded, stored, or sent.

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

let matches = 0;

function render({ model, el }) {
  matches += 1;
  const name = `lf-match-${matches}-${Math.random().toString(36).slice(2)}`;
  const tasks = model.get("tasks").map((task) => ({ ...task, tried: new Set(), attempts: 0, solved: false }));
  const goal = model.get("goal");
  let current = 0;

  const legend = make("legend", { tabindex: "-1" });
  const choices = make("div", {});
  const check = make("button", { type: "button" }, "Check");
  const back = make("button", { type: "button" }, "Previous task");
  const next = make("button", { type: "button" }, "Next task");
  const again = make("button", { type: "button" }, "Start again");
  const notice = make("p", { class: "lf-notice" });
  const score = make("p", { class: "lf-goal" });
  const status = make("div", { class: "lf-announce", role: "status", "aria-live": "polite" });

  function showScore() {
    const solved = tasks.filter((task) => task.solved).length;
    const first = tasks.filter((task) => task.solved && task.attempts === 1).length;
    const reached = first >= goal;
    const wanted = reached ? "✓ Goal reached." : `Goal: ${goal} at the first try.`;
    score.textContent = `${solved} of ${tasks.length} solved, ${first} at the first try. ${wanted}`;
    score.classList.toggle("lf-reached", reached);
    return score.textContent;
  }

  function makeChoice({ text, right, feedback }, index) {
    const task = tasks[current];
    const input = make("input", { type: "radio", name, value: String(index) });
    const label = make("label", {}, input, makeRich("span", {}, text));
    const item = make("div", { class: "lf-choice" }, label);
    input.addEventListener("change", () => (notice.textContent = status.textContent = ""));
    if (task.tried.has(index)) {
      const icon = make("span", { class: "lf-icon" }, right ? "✓ Right." : "✗ Not here.");
      item.append(make("p", { class: "lf-feedback" }, icon, " ", makeRich("span", {}, feedback)));
      item.classList.add(right ? "lf-right" : "lf-wrong");
    }
    return item;
  }

  function showTask() {
    const task = tasks[current];
    legend.replaceChildren(`Task ${current + 1} of ${tasks.length}. `, makeRich("span", {}, task.text));
    choices.replaceChildren(...task.choices.map(makeChoice));
    back.disabled = current === 0;
    next.disabled = current === tasks.length - 1;
    notice.textContent = status.textContent = "";
    showScore();
  }

  function go(to) {
    current = to;
    showTask();
    legend.focus();
  }

  check.addEventListener("click", () => {
    const task = tasks[current];
    const chosen = choices.querySelector("input:checked");
    if (!chosen) {
      notice.textContent = status.textContent = "Choose a loss first.";
      return;
    }
    const index = Number(chosen.value);
    const { right } = task.choices[index];
    if (!task.tried.has(index) && !task.solved) {
      task.attempts += 1;
      task.solved = right;
    }
    task.tried.add(index);
    showTask();
    choices.querySelector(`input[value="${index}"]`).checked = true;
    const others = task.choices.filter((choice, other) => choice.right && !task.tried.has(other)).length;
    if (right && others) notice.textContent = `${count(others, "other choice")} would be accepted too.`;
    const said = choices.children[index].querySelector(".lf-feedback").textContent;
    status.textContent = [said, notice.textContent, showScore()].filter(Boolean).join(" ");
  });
  back.addEventListener("click", () => go(current - 1));
  next.addEventListener("click", () => go(current + 1));
  again.addEventListener("click", () => {
    for (const task of tasks) Object.assign(task, { tried: new Set(), attempts: 0, solved: false });
    go(0);
  });

  const actions = make("div", { class: "lf-actions" }, check, back, next, again);
  el.classList.add("lossutils");
  el.replaceChildren(make("fieldset", { class: "lf-quiz" }, legend, choices, actions, notice, score), status);
  showTask();
  return guardKeys(el);
}

export default { render };
