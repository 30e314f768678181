// An interactive figure. Python drew its frames; this module shows them, and computes nothing.
//
// The model holds the first frame as SVG (`fallback`), and for each position of the controls a patch:
// `ops`, what differs from the first frame; `readouts`, names and texts; `goal`, whether it is reached here.
// `tables` holds the first frame's data; where a frame's differ, its patch has the changed `columns`, or all `tables`.
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

// The fold below a figure that holds tables; `fill(view)` is called whenever it must be filled.
function makeFold(title, label, fill) {
  const view = make("div", { class: "lf-table", tabindex: 0, role: "group", "aria-label": label });
  const details = make("details", {}, make("summary", {}, title), view);
  const update = () => details.open && fill(view);
  details.addEventListener("toggle", update);
  return { details, update };
}

function cellsOf(column) {
  return typeof column === "string" ? column.split(" ").map((text) => text.replace("-", "−")) : column;
}

function makeTable(title, heads, columns) {
  const head = make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name)));
  const rows = columns[0].map((first, index) => make(
    "tr", {},
    make("th", { scope: "row" }, first),
    ...columns.slice(1).map((column) => make("td", {}, column[index])),
  ));
  const caption = title ? [make("caption", {}, title)] : [];
  return make("table", {}, ...caption, make("thead", {}, head), make("tbody", {}, ...rows));
}

// The data of one frame.
function dataTables(first, patch) {
  const changed = new Map((patch.columns ?? []).map(([table, column, cells]) => [`${table} ${column}`, cells]));
  return (patch.tables ?? first).map(({ title, columns }, table) => {
    const now = columns.map((cells, column) => changed.get(`${table} ${column}`) ?? cells);
    return makeTable(title, now.map(([head]) => head), now.map(([, cells]) => cellsOf(cells)));
  });
}

// The readouts of all frames that are known.
function overview(controls, readouts, goal, patches) {
  const heads = [...controls.map(({ label }) => label), ...readouts.map(([name]) => name), ...(goal ? ["Goal"] : [])];
  const rows = everyKey(controls).map((key) => {
    const labels = key.split(",").map((index, which) => controls[which].positions[index]);
    const patch = patches[key];
    const texts = patch?.error ? [patch.error] : patch?.readouts.map(([, text]) => text) ?? [];
    if (goal && patch && !patch.error) texts.push(patch.goal ? "✓ reached" : "–");
    return [...labels, ...texts];
  });
  return makeTable("", heads, heads.map((_, column) => rows.map((row) => row[column] ?? "")));
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
  const table = makeFold("Show as table", "Data of the figure", (view) => {
    const patch = model.get("patches")[current];
    if (patch && !patch.error) view.replaceChildren(...dataTables(model.get("tables"), patch));
  });
  const every = makeFold("Show all positions", "All positions", (view) => {
    view.replaceChildren(overview(controls, startReadouts, goal, model.get("patches")));
    askForNext();
  });

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
    table.update();
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

  // One request at a time: the position the reader is at, else what an open overview still lacks.
  function askForNext() {
    if (model.get("complete") || asked !== null) return;
    const patches = model.get("patches");
    const missing = (key) => !(key in patches);
    const key = missing(current) ? current : every.details.open ? everyKey(controls).find(missing) : undefined;
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
    every.update();
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

  const follow = () => {
    const position = model.get("position");
    if (position.join(",") !== current) moveTo(position);
  };
  const refresh = () => {
    show(positions(), false);
    every.update();
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
  const actions = make("div", { class: "lf-actions" });
  if (controls.length) actions.append(reset);
  if (model.get("tables").length) actions.append(table.details);
  if (controls.length && (startReadouts.length || goal)) actions.append(every.details);
  if (actions.children.length) el.append(actions);
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
