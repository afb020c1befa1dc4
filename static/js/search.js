/* The search palette: Ctrl K or ⌘ K anywhere, or the link "Search" in the header, which leads to
   the search page without scripts. HTMX loads the results and drops answers that are out of date. */
(function () {
  "use strict";

  const palette = document.getElementById("palette");
  if (!palette) return;
  const input = palette.querySelector("[role=combobox]");
  const list = palette.querySelector("[role=listbox]");
  const isApple = /Mac|iPhone|iPad/.test(navigator.platform); // there Ctrl K edits text
  const options = () => Array.from(list.querySelectorAll("a[role=option]"));
  const active = () => list.querySelector("[role=option][aria-selected=true]");
  let opensResultOf = null; // the query that Enter was pressed for before its results were there

  function activate(option) {
    list.querySelectorAll("[role=option]").forEach((other) => other.setAttribute("aria-selected", String(other === option)));
    if (!option) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    const all = options();
    if (!all.length) return;
    activate(all[(all.indexOf(active()) + step + all.length) % all.length]);
  }

  function open() {
    if (palette.open || document.querySelector("dialog[open]")) return;
    palette.showModal();
    input.select();
    window.htmx.trigger(input, "palette-opened");
  }

  document.addEventListener("keydown", (event) => {
    const modifier = isApple ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
    if (!modifier || event.altKey || event.shiftKey || event.repeat) return;
    if (event.key.toLowerCase() !== "k") return;
    event.preventDefault();
    if (palette.open) palette.close();
    else open();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-open-palette]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open();
  });

  palette.addEventListener("click", (event) => {
    if (event.target === palette || event.target.closest("[data-close-palette]")) palette.close();
  });

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter" && list.dataset.query !== input.value) opensResultOf = input.value;
    else if (event.key === "Enter" && active()) active().click();
    else return;
    event.preventDefault();
  });

  input.addEventListener("input", () => { opensResultOf = null; });

  // Without an answer, the search page may have one.
  input.addEventListener("htmx:afterRequest", (event) => {
    if (opensResultOf !== null && !event.detail.successful && event.detail.xhr.status) input.form.submit();
  });

  list.addEventListener("mousedown", (event) => event.preventDefault()); // keep the focus in the input

  list.addEventListener("htmx:afterSwap", (event) => {
    list.dataset.query = event.detail.requestConfig.parameters.q;
    list.scrollTop = 0;
    activate(options()[0] || list.querySelector("[role=option]"));
    if (opensResultOf !== list.dataset.query) return; // Enter waits for another answer
    opensResultOf = null;
    if (options().length) active().click();
  });
})();
