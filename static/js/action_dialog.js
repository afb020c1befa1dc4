/* Forms of actions in the page's dialog: opened by what HTMX puts into it, closed by what they
   change. */
(function () {
  "use strict";
  const byId = (id) => document.getElementById(id);
  let openerId = "";

  function openDialog(dialog) {
    if (!dialog.open) {
      const active = document.activeElement;
      openerId = active && active.id ? active.id : openerId;
      dialog.showModal();
    }
    const summary = dialog.querySelector("[data-take-focus]");
    const field = dialog.querySelector("select, input:not([type=hidden]), textarea, button");
    if (summary) summary.focus();
    else if (field) field.focus();
  }

  function closeDialog() {
    const dialog = byId("action-dialog");
    if (dialog && dialog.open) dialog.close();
  }

  function focusChange(part) {
    const target = part.querySelector("[data-take-focus]") || part.querySelector("[data-focus-fallback]") || byId(openerId);
    if (target && target.isConnected) return target.focus({ preventScroll: true });
    part.tabIndex = -1;
    part.focus({ preventScroll: true });
  }

  document.addEventListener("htmx:afterSwap", (event) => {
    const { target, requestConfig } = event.detail;
    const dialog = byId("action-dialog");
    if (target.id === "action-dialog-body") return openDialog(dialog);
    if (!dialog || !dialog.open || !dialog.contains(requestConfig.elt)) return;
    if (dialog.contains(target)) return; // a part of the form
    closeDialog();
    const part = byId(target.id);
    if (part) focusChange(part);
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close-dialog]")) event.target.closest("dialog").close();
    else if (event.target.matches("dialog.dialog")) event.target.close(); // outside of it
  });

  // Closed without an action, the focus returns to where the dialog was opened from.
  document.addEventListener("close", (event) => {
    if (event.target.id !== "action-dialog") return;
    byId("action-dialog-body").replaceChildren();
    const opener = byId(openerId);
    if (opener && document.activeElement === document.body) opener.focus({ preventScroll: true });
  }, true);

  document.addEventListener("htmx:beforeRequest", (event) => {
    const id = event.detail.elt.id;
    if (id && event.detail.target && event.detail.target.id === "action-dialog-body") openerId = id;
  });

  window.portalDialog = { setOpener: (id) => (openerId = id) };
})();
