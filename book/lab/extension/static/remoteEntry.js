// Three things that the lab lacks, written by hand in the form that JupyterLab expects of a prebuilt extension: a
// container with `init` and `get`.
(() => {
"use strict";
const QUESTION = "Throw away your changes to this notebook, and show the published text again?";
let shared;

// ---- back to the published text: the browser keeps a changed notebook, and it hides the published one

/** The document that the reader looks at, if it is a notebook. */
function notebook(app) {
  const context = app.shell.currentWidget?.context;
  return context?.path.endsWith(".ipynb") ? context : null;
}

/** Delete the browser's copy; the published file below it shows again. */
async function restore(app) {
  const context = notebook(app);
  if (!context || !confirm(QUESTION)) return;
  await app.serviceManager.contents.delete(context.path);
  await context.revert();
}

// ---- a download that can be handed in: under its own name, for Jupyter's kernel, without the cell for the lab

const KERNEL = { display_name: "Python 3 (ipykernel)", language: "python", name: "python3" };

/** The notebook as Jupyter elsewhere wants it. */
function forElsewhere({ cells, metadata, ...rest }) {
  const own = cells.filter((cell) => !cell.metadata.tags?.includes("lab-setup"));
  return { ...rest, cells: own, metadata: { ...metadata, kernelspec: KERNEL, language_info: { name: "python" } } };
}

/** Save, and give the reader the file. */
async function download(app) {
  const context = notebook(app);
  if (!context) return;
  await context.save();
  const text = `${JSON.stringify(forElsewhere(context.model.toJSON()), null, 1)}\n`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
  link.download = context.path.split("/").pop();
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const commands = {
  id: "book-lab:commands",
  autoStart: true,
  activate(app) {
    app.commands.addCommand("book:published-text", {
      label: "Published text",
      caption: "Throw away your changes, and start again from the published text",
      isEnabled: () => notebook(app) !== null,
      execute: () => restore(app),
    });
    app.commands.addCommand("book:download", {
      label: "Download",
      caption: "Download the notebook with your changes",
      isEnabled: () => notebook(app) !== null,
      execute: () => download(app),
    });
  },
};

// ---- "Run All" goes on past cells tagged `raises-exception`, as it does in Jupyter. JupyterLite drops every cell that
// waits when one fails, so here a cell is handed over only when it is its turn.

const queues = new WeakMap();

/** Run a cell after those before it; after a failure that isn't expected, drop those that wait. */
function runInTurn(runCell, options) {
  const { cell, notebook } = options;
  if (cell.model.type !== "code") return runCell(options);
  const queue = queues.get(notebook) ?? { last: Promise.resolve(), round: 0 };
  queues.set(notebook, queue);
  const round = queue.round;
  cell.model.executionState = "running";
  const turn = queue.last.then(() => queue.round === round && runWatched(runCell, options, queue));
  queue.last = turn.catch(() => {}).then(() => { cell.model.executionState = "idle"; });
  return turn;
}

/** Run a cell, and start a new round if it fails unexpectedly or is canceled. */
async function runWatched(runCell, options, queue) {
  try {
    const done = await runCell(options);
    if (!done) queue.round += 1;
    return done;
  } catch (error) {
    if (!options.cell.model.getMetadata("tags")?.includes("raises-exception")) queue.round += 1;
    throw error;
  }
}

function executor({ INotebookCellExecutor, runCell }) {
  return {
    id: "book-lab:executor",
    autoStart: true,
    provides: INotebookCellExecutor,
    activate: () => ({ runCell: (options) => runInTurn(runCell, options) }),
  };
}

/** A module that JupyterLab shares with its extensions. */
async function sharedModule(name) {
  const [version] = Object.values(shared[name]);
  return (await version.get())();
}

async function get() {
  const plugins = [commands, executor(await sharedModule("@jupyterlab/notebook"))];
  return () => ({ __esModule: true, default: plugins });
}

window._JUPYTERLAB ??= {};
window._JUPYTERLAB["book-lab"] = { init: (scope) => { shared = scope; }, get };
})();
