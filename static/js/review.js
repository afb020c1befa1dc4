/* Keys of one letter on the review page. Each presses what carries it in data-key; they are off
   while somebody types, and altogether when the person has switched them off. */
(function () {
  "use strict";

  function shown(element) {
    return element && element.getClientRects().length > 0;
  }

  function press(key) {
    if (key === "?") {
      const help = document.getElementById("keys-help");
      help.open = !help.open;
      if (help.open) help.querySelector("summary").focus();
      return true;
    }
    const target =
      key === "u"
        ? document.querySelector("#decisions .btn-undo")
        : document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!shown(target)) return false;
    target.click();
    if (target.dataset.keyFocus) {
      const field = document.querySelector(target.dataset.keyFocus);
      if (shown(field)) field.focus();
    }
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const page = document.getElementById("review");
    if (!page || !("keys" in page.dataset)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
    if (press(event.key)) event.preventDefault();
  });
})();
