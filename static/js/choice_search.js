/* Long selects: a combobox (ARIA 1.2) whose results HTMX loads. Without scripts, its button
   searches and the page comes back with the matches in the select. */
(function () {
  "use strict";

  const SEARCH = "[data-choice-search]";
  const parts = (within) => {
    const box = within.closest(SEARCH);
    const input = box.querySelector("[role=combobox]");
    return { box, input, list: document.getElementById(input.getAttribute("aria-controls")) };
  };
  const options = (list) => Array.from(list.querySelectorAll("[role=option]"));
  const active = (list) => list.querySelector("[aria-selected=true]");

  function prepare(within) {
    within.querySelectorAll("[data-choice-find]").forEach((button) => {
      button.type = "button"; // so that Enter elsewhere submits the form
      button.hidden = true;
    });
  }

  function setOpen({ input, list }, open) {
    list.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) activate({ input, list }, null);
  }

  function activate({ input, list }, option) {
    options(list).forEach((other) => other.setAttribute("aria-selected", String(other === option)));
    if (!option) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function choose({ box, input, list }, option) {
    const name = box.dataset.choiceSearch;
    const { value } = option.dataset;
    const select = box.parentElement.querySelector("select");
    if (select) {
      const same = Array.from(select.options).find((other) => other.value === value);
      if (!same) select.add(new Option(option.textContent, value));
      select.value = value;
    } else {
      tick(box.parentElement.querySelector(":scope > div:not(.field-help)"), name, value, option.textContent);
    }
    setOpen({ input, list }, false);
    list.textContent = "";
    input.value = "";
    const live = document.getElementById("live");
    if (live) live.textContent = "Selected: " + option.textContent;
  }

  function tick(boxes, name, value, label) {
    const same = Array.from(boxes.querySelectorAll("input")).find((other) => other.value === value);
    if (same) return (same.checked = true);
    const row = document.createElement("div");
    row.append(document.createElement("label"));
    const box = Object.assign(document.createElement("input"), { type: "checkbox", name, value, checked: true });
    row.firstChild.append(box, " ", label);
    boxes.append(row);
  }

  function move(combobox, step) {
    const all = options(combobox.list);
    if (!all.length) return;
    const at = all.indexOf(active(combobox.list));
    setOpen(combobox, true);
    activate(combobox, all[at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length]);
  }

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches(SEARCH + " [role=combobox]")) return;
    const combobox = parts(event.target);
    const option = active(combobox.list);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") move(combobox, event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter") option && choose(combobox, option);
    else if (event.key === "Escape" && !combobox.list.hidden) setOpen(combobox, false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  document.addEventListener("click", (event) => {
    const option = event.target.closest(SEARCH + " [role=option]");
    if (!option) return;
    const combobox = parts(option);
    choose(combobox, option);
    combobox.input.focus();
  });

  document.addEventListener("mousedown", (event) => {
    if (event.target.closest(".choice-results")) event.preventDefault(); // keep the focus in the input
  });

  document.addEventListener("focusout", (event) => {
    if (event.target.matches(SEARCH + " [role=combobox]")) setOpen(parts(event.target), false);
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    const list = event.detail.target;
    if (list && list.matches(".choice-results")) {
      const combobox = parts(list);
      setOpen(combobox, combobox.input === document.activeElement && list.childElementCount > 0);
    }
  });

  document.addEventListener("htmx:load", (event) => prepare(event.target));
  prepare(document);
})();
