/* Review: one application at a time, without loading the page again. Each key of one letter presses
   what carries it in data-key; they are off while somebody types, and altogether when the person has
   switched them off. */
(function () {
  "use strict";
  const byId = (id) => document.getElementById(id);

  function isShown(element) {
    return element && element.getClientRects().length > 0;
  }

  function openHelp() {
    const help = byId("keys-help");
    if (!help.open) help.showModal();
  }

  // A decision is on its way: a key now would be meant for the next application.
  function isDeciding() {
    return document.querySelector("#review form[aria-busy=true], #review .review-steps .htmx-request, #review .decision-buttons a.htmx-request");
  }

  function press(key) {
    if (key === "?") {
      openHelp();
      return true;
    }
    const target = document.querySelector(`#review [data-key~="${CSS.escape(key)}"]`);
    if (!isShown(target)) return false;
    if (isDeciding()) return true;
    // An action that is off takes the focus: its reason is read out with it.
    if (target.getAttribute("aria-disabled") === "true") target.focus();
    else target.click();
    return true;
  }

  function isOpenList(field) {
    try {
      return field.matches("select:open"); // there Enter chooses and Escape closes
    } catch {
      return field.matches("select"); // an older browser does not tell: nothing is sent by choosing
    }
  }

  /* In the dialog where a reason is selected: Enter in the list sends the form, which browsers do by
     themselves from other fields only; a digit rejects with that preset instead. */
  function pressInDialog(form, event) {
    if (isOpenList(event.target) || !event.target.matches("select")) return false;
    if (event.key === "Enter") {
      form.requestSubmit();
      return true;
    }
    const preset = /^[1-9]$/.test(event.key) && byId(`preset-${event.key}`);
    if (!preset) return false;
    byId("action-dialog").close();
    preset.click();
    return true;
  }

  function hasModifier(event) {
    return event.ctrlKey || event.metaKey || event.altKey || event.repeat;
  }

  document.addEventListener("keydown", (event) => {
    const review = byId("review");
    if (!review || !("keys" in review.dataset) || hasModifier(event)) return;
    const form = event.target.closest("#action-dialog form");
    if (form && pressInDialog(form, event)) return event.preventDefault();
    if (event.key === "?" && byId("keys-help").open) return byId("keys-help").close();
    if (document.querySelector("dialog[open]")) return;
    if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
    if (press(event.key)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-open-help]")) return;
    event.preventDefault();
    openHelp();
  });

  /* What the person has unfolded stays so with the next application. */
  let openIds = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "review") return;
    openIds = Array.from(document.querySelectorAll("#review [data-stays-open][open]"), (box) => box.id);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "review") return;
    openIds.forEach((id) => byId(id) && (byId(id).open = true));
    scrollTo({ top: 0 });
  });
})();
