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
    const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!shown(target)) return false;
    target.click();
    if (target.dataset.keyFocus) {
      const field = document.querySelector(target.dataset.keyFocus);
      if (shown(field)) field.focus();
    }
    return true;
  }

  function isOpenList(field) {
    try {
      return field.matches("select:open"); // there Enter chooses and Escape closes
    } catch {
      return field.matches("select"); // an older browser does not tell: nothing is sent by choosing
    }
  }

  /* Where a reason is chosen: Enter in the list sends the form, which browsers do by themselves
     from other fields only. */
  function pressWithin(form, event) {
    if (isOpenList(event.target)) return false;
    if (event.key === "Enter" && event.target.matches("select")) {
      form.requestSubmit();
      return true;
    }
    return false;
  }

  // Escape cancels a form that was unfolded, with shortcuts and without.
  document.addEventListener("keydown", (event) => {
    const box = event.key === "Escape" && event.target.closest("details.reject-form[open]");
    if (!box || isOpenList(event.target)) return;
    box.open = false;
    box.querySelector("summary").focus();
    event.preventDefault();
  });

  document.addEventListener("toggle", (event) => {
    const box = event.target;
    if (box.matches("details.reject-form[open]")) box.querySelector("[name=reason]").focus();
  }, true);

  document.addEventListener("keydown", (event) => {
    const page = document.getElementById("review");
    if (!page || !("keys" in page.dataset)) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (document.querySelector("dialog[open]")) return;
    const form = event.target.closest("details form[data-enter-submits]");
    if (form && pressWithin(form, event)) return event.preventDefault();
    if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
    if (press(event.key)) event.preventDefault();
  });
})();
