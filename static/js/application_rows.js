/* A requisition's rows: forms in a dialog and menus in a popover, so that no row moves; ranges of
   checkboxes; buttons for many that wait for a selection. */
(function () {
  "use strict";
  const byId = (id) => document.getElementById(id);
  let openerId = ""; // of the row's button that opened the menu or the dialog
  let lastBox = null; // the checkbox clicked last, where a range begins

  /* ---- Menu ---- */
  function placeMenu(menu, button) {
    const box = button.getBoundingClientRect();
    const top = Math.min(box.bottom + 4, innerHeight - menu.offsetHeight - 8);
    menu.style.inset = `${Math.max(8, top)}px auto auto ${Math.max(8, box.right - menu.offsetWidth)}px`;
  }

  function openMenu(menu) {
    const button = byId(openerId);
    if (!button) return;
    menu.showPopover();
    placeMenu(menu, button);
    const item = menu.querySelector("a, button");
    if (item) item.focus();
  }

  function closeMenu() {
    const menu = byId("row-menu");
    if (menu && menu.matches(":popover-open")) menu.hidePopover();
  }

  /* ---- Buttons: each belongs to a form of the page and names its own address ---- */
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".application-rows button[formaction]");
    if (!button) return;
    event.preventDefault();
    const row = button.closest("tr");
    openerId = button.closest(".cell-actions") ? button.id : "";
    portalDialog.setOpener(openerId);
    htmx.ajax(button.form.method, button.getAttribute("formaction"), { source: button, target: row, swap: "outerHTML" });
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    const { target } = event.detail;
    if (target.id === "row-menu") openMenu(target);
    else if (target.id === "action-dialog-body") closeMenu();
  });

  document.addEventListener("toggle", (event) => {
    if (event.target.id !== "row-menu" || event.newState !== "closed") return;
    const opener = byId(openerId);
    if (opener && !byId("action-dialog").open && document.activeElement === document.body) opener.focus();
  }, true);

  /* ---- Selection ---- */
  const listBoxes = () => Array.from(document.querySelectorAll("input[type=checkbox][name=selected]"));

  function selectRange(from, to) {
    const boxes = listBoxes();
    const [start, end] = [boxes.indexOf(from), boxes.indexOf(to)].sort((a, b) => a - b);
    if (start < 0) return;
    boxes.slice(start, end + 1).forEach((box) => (box.checked = to.checked));
  }

  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!box.matches || !box.matches("input[type=checkbox][name=selected]")) return;
    if (event.shiftKey && lastBox && lastBox !== box) {
      selectRange(lastBox, box);
      box.dispatchEvent(new Event("change", { bubbles: true }));
    }
    lastBox = box;
  });

  function updateBulkButtons() {
    const form = byId("bulk");
    if (!form) return;
    const all = form.elements.all_matching;
    const isEmpty = !(all && all.checked) && !listBoxes().some((box) => box.checked);
    form.classList.toggle("is-empty", isEmpty);
    form.querySelectorAll("[data-needs-selection]").forEach((button) => {
      button.toggleAttribute("aria-disabled", isEmpty);
      if (isEmpty) {
        button.setAttribute("aria-disabled", "true");
        button.setAttribute("aria-describedby", "why-none-selected");
      } else button.removeAttribute("aria-describedby");
    });
  }

  /* ---- Lists that scroll sideways on a phone begin with what is selected ---- */
  function scrollToSelected() {
    document.querySelectorAll(".chips [aria-current], .pipeline [aria-current]").forEach((item) => {
      const list = item.closest("ul");
      const left = item.getBoundingClientRect().left - list.getBoundingClientRect().left;
      if (list.scrollWidth > list.clientWidth) list.scrollLeft += left;
    });
  }
  scrollToSelected();
  document.addEventListener("htmx:oobAfterSwap", scrollToSelected);

  document.addEventListener("change", updateBulkButtons);
  document.addEventListener("htmx:load", updateBulkButtons);
  addEventListener("pageshow", updateBulkButtons);
  updateBulkButtons();
})();
