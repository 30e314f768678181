// An interactive figure. Python drew its frames; this module shows them, and computes nothing.
//
// The model holds the first frame as SVG (`fallback`), and for each position of the controls a patch:
// `ops`, what differs from the first frame; `readouts`, names and texts; `goal`, whether it is reached here.
// In a static page all patches are there (`complete`). In a live notebook missing ones are asked for by message.

const ANNOUNCE_AFTER = 250; // ms without a change, so that dragging a slider doesn't flood a screen reader
const SAY_WAITING_AFTER = 400; // ms

// Returns paint(ops), which turns the SVG from whatever frame it shows into the one that `ops` describe.
function painter(svg) {
  const nodes = [svg, ...svg.querySelectorAll("*")];
  const originals = new Map(); // "index name" -> what the first frame has there
  let shown = new Map(); // "index name" -> the op in force

  function read(node, name) {
    if (name === "#html") return [...node.childNodes];
    return name === "#text" ? node.textContent : node.getAttribute(name);
  }

  function write(node, name, value) {
    if (name === "#html") node.innerHTML = value;
    else if (name === "#text") node.textContent = value;
    else if (value === null) node.removeAttribute(name);
    else node.setAttribute(name, value);
  }

  function restore(slot, [index, name]) {
    const original = originals.get(slot);
    if (name === "#html") nodes[index].replaceChildren(...original);
    else write(nodes[index], name, original);
  }

  return function paint(ops) {
    const next = new Map(ops.map((op) => [`${op[0]} ${op[1]}`, op]));
    for (const [slot, op] of shown) if (!next.has(slot)) restore(slot, op);
    for (const [slot, [index, name, value]] of next) {
      if (shown.get(slot)?.[2] === value) continue;
      if (!originals.has(slot)) originals.set(slot, read(nodes[index], name));
      write(nodes[index], name, value);
    }
    shown = next;
  };
}

// Each maker returns { row, input, get, set }: the row to show, and its position as a number.
const makers = {
  slider({ label, positions }) {
    const last = positions.length - 1;
    const input = make("input", { type: "range", min: 0, max: last, step: 1 });
    const output = make("output", { "aria-hidden": "true" });
    const longest = Math.max(...positions.map((text) => text.length));
    output.style.minWidth = `${longest}ch`;
    const tell = () => {
      output.textContent = positions[input.value];
      input.setAttribute("aria-valuetext", positions[input.value]);
    };
    const row = make("div", { class: "lf-control" }, make("label", {}, make("span", {}, label), input), output);
    const set = (index) => {
      input.value = index;
      tell();
    };
    return { row, input, set, get: () => (tell(), Number(input.value)) };
  },

  select({ label, positions }) {
    const input = make("select", {}, ...positions.map((text) => make("option", {}, text)));
    const row = make("div", { class: "lf-control" }, make("label", {}, make("span", {}, label), input));
    return { row, input, set: (index) => (input.selectedIndex = index), get: () => input.selectedIndex };
  },

  checkbox({ label }) {
    const input = make("input", { type: "checkbox" });
    const row = make("div", { class: "lf-control lf-switch" }, make("label", {}, input, make("span", {}, label)));
    return { row, input, set: (index) => (input.checked = index === 1), get: () => Number(input.checked) };
  },
};

function everyKey(controls) {
  return controls.reduce(
    (keys, { positions }) => keys.flatMap((key) => positions.map((_, index) => [...key, index])),
    [[]],
  ).map((key) => key.join(","));
}

function makeTable(controls, readouts, goal) {
  const names = [...controls.map(({ label }) => label), ...readouts.map(([name]) => name), ...(goal ? ["Goal"] : [])];
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
  const body = make("tbody");
  const table = make("table", {}, make("thead", {}, head), body);
  const view = make("div", { class: "lf-table", tabindex: 0, role: "group", "aria-label": "All positions" }, table);
  const rows = new Map();

  function addRows() {
    for (const key of everyKey(controls)) {
      const labels = key.split(",").map((index, which) => controls[which].positions[index]);
      const row = make("tr", {}, ...labels.map((label) => make("td", {}, label)));
      rows.set(key, row);
      body.append(row);
    }
  }

  function fill(patches) {
    if (!rows.size) addRows();
    for (const [key, row] of rows) {
      const patch = patches[key];
      if (!patch || row.children.length > controls.length) continue;
      const texts = patch.error ? [patch.error] : patch.readouts.map(([, text]) => text);
      if (goal && !patch.error) texts.push(patch.goal ? "✓ reached" : "–");
      row.append(...texts.map((text) => make("td", {}, text)));
    }
  }

  return { view, fill };
}

function render({ model, el }) {
  const controls = model.get("controls");
  const goal = model.get("goal");
  const start = controls.map((control) => control.start);
  const startReadouts = model.get("patches")[start.join(",")].readouts;

  const drawing = make("div", { class: "lf-drawing" });
  drawing.innerHTML = model.get("fallback");
  const svg = drawing.querySelector("svg");
  const paint = painter(svg);

  const inputs = controls.map((control) => makers[control.kind](control));
  const panel = make("div", { class: "lf-controls" }, ...inputs.map(({ row }) => row));
  const readouts = make("dl", { class: "lf-readouts" });
  const goalLine = make("p", { class: "lf-goal" });
  const notice = make("p", { class: "lf-notice" });
  const status = make("div", { class: "lf-announce", role: "status", "aria-live": "polite" });
  const reset = make("button", { type: "button" }, "Reset");
  const table = makeTable(controls, startReadouts, goal);
  const details = make("details", {}, make("summary", {}, "Show as table"), table.view);

  let current = null; // key of the position the controls are at
  let asked = null; // key of the one frame asked for and not yet received
  let announcing, waiting;

  const positions = () => inputs.map((input) => input.get());

  function show(position, announce = true) {
    current = position.join(",");
    const patch = model.get("patches")[current];
    if (patch) showPatch(patch, announce);
    askForNext();
  }

  function showPatch(patch, announce) {
    if (!patch.error) {
      paint(patch.ops);
      svg.setAttribute("aria-label", patch.alt ?? model.get("alt"));
    }
    drawing.classList.toggle("lf-stale", Boolean(patch.error));
    readouts.replaceChildren(
      ...patch.readouts.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))),
    );
    readouts.hidden = !patch.readouts.length;
    notice.textContent = patch.error ?? "";
    showGoal(patch.goal);
    if (announce) announceLater(patch);
  }

  function showGoal(reached) {
    if (!goal) return;
    goalLine.classList.toggle("lf-reached", reached);
    const icon = make("span", { class: "lf-icon", "aria-hidden": "true" }, reached ? "✓" : "○");
    const text = reached ? `Goal reached: ${goal.reached}` : `Goal: ${goal.text}`;
    goalLine.replaceChildren(icon, make("span", {}, text));
  }

  function announceLater(patch) {
    clearTimeout(announcing);
    announcing = setTimeout(() => {
      const parts = patch.readouts.map(([name, text]) => `${name} ${text}`);
      if (!parts.length && patch.alt) parts.push(patch.alt);
      if (patch.goal) parts.push(`Goal reached: ${goal.reached}`);
      if (patch.error) parts.push(patch.error);
      status.textContent = parts.join("; ");
    }, ANNOUNCE_AFTER);
  }

  // One request at a time: the position the reader is at, else what an open table still lacks.
  function askForNext() {
    if (model.get("complete") || asked !== null) return;
    const patches = model.get("patches");
    const missing = (key) => !(key in patches);
    const key = missing(current) ? current : details.open ? everyKey(controls).find(missing) : undefined;
    if (key === undefined) return;
    asked = key;
    model.send({ frame: key });
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (asked === current) notice.textContent = "Waiting for Python to draw this position …";
    }, SAY_WAITING_AFTER);
  }

  function receive({ frame, patch }) {
    // not model.set: what came from Python need not be sent back there
    if (patch) model.get("patches")[frame] = patch;
    if (frame === asked) asked = null;
    if (frame === current) showPatch(patch, true);
    if (details.open) table.fill(model.get("patches"));
    askForNext();
  }

  function moveTo(position) {
    inputs.forEach((input, which) => input.set(position[which]));
    show(position);
  }

  function tellModel(position) {
    model.set("position", position);
    model.save_changes();
  }

  for (const { input } of inputs) {
    input.addEventListener("input", () => {
      show(positions());
      tellModel(positions());
    });
  }
  reset.addEventListener("click", () => {
    moveTo(start);
    tellModel(start);
  });
  details.addEventListener("toggle", () => {
    if (details.open) table.fill(model.get("patches"));
    askForNext();
  });

  const follow = () => {
    const position = model.get("position");
    if (position.join(",") !== current) moveTo(position);
  };
  const refresh = () => {
    show(positions(), false);
    if (details.open) table.fill(model.get("patches"));
  };
  model.on("change:position", follow);
  model.on("change:patches", refresh);
  model.on("msg:custom", receive);

  const position = model.get("position");
  inputs.forEach((input, which) => input.set(position[which]));
  el.classList.add("lossutils");
  el.replaceChildren(drawing);
  if (controls.length) el.append(panel);
  el.append(readouts, notice);
  if (goal) el.append(goalLine);
  if (controls.length) el.append(make("div", { class: "lf-actions" }, reset));
  if (controls.length && (startReadouts.length || goal)) el.lastChild.append(details);
  el.append(status);
  show(position, false);

  const unguardKeys = guardKeys(el);
  return () => {
    unguardKeys();
    clearTimeout(announcing);
    clearTimeout(waiting);
    model.off?.("change:position", follow);
    model.off?.("change:patches", refresh);
    model.off?.("msg:custom", receive);
  };
}

export default { render };
