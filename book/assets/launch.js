// A page opened from a folder can't start Python: browsers refuse it workers and WebAssembly. Say so in place of the link.
(() => {
"use strict";
if (location.protocol !== "file:") return;
for (const link of document.querySelectorAll(".launch-run")) {
  const cost = link.nextElementSibling;
  cost.textContent = `“${link.textContent}” works where the book comes from a web server, such as that of “make serve”; `
    + "from a folder, browsers don't start Python.";
  link.remove();
}
})();
