/* Keeps what was typed in forms until one has signed in again, in this tab only.

   A page's drafts are restored only right after signing in, to the same person in the same company.
   Any other page that is opened while signed in removes them. */
(function () {
  "use strict";

  const KEY = "form-drafts";
  const SIGNED_OUT_KEY = "form-drafts-signed-out";
  const SECRET = /^(off|new-password|current-password|one-time-code)$/;
  const TYPED = "input, textarea, select";
  const UNTYPED = ["password", "hidden", "file", "submit", "button", "reset", "image"];
  const { draftOwner: owner } = document.body.dataset;

  let drafts = {};
  const restorable = new Map();

  function read() {
    try {
      return JSON.parse(sessionStorage.getItem(KEY)) || {};
    } catch {
      return {};
    }
  }

  function write() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ owner, page: location.pathname, drafts }));
    } catch {
      /* Storage may be full or turned off. */
    }
  }

  const isKept = (field) =>
    field.name && field.matches(TYPED) && !UNTYPED.includes(field.type) &&
    !SECRET.test(field.autocomplete) && !document.querySelector(`[data-reveal="${CSS.escape(field.id)}"]`);
  const isKeptForm = (form) =>
    form && form.method === "post" && form.autocomplete !== "off" && !form.closest(".topbar");
  const isBox = (field) => field.type === "checkbox" || field.type === "radio";

  function identify(form) {
    const action = form.getAttribute("action") || form.getAttribute("hx-post") || location.pathname;
    const same = Array.from(document.forms).filter(
      (other) => (other.getAttribute("action") || other.getAttribute("hx-post") || location.pathname) === action
    );
    return action + "#" + same.indexOf(form);
  }

  function capture(form) {
    return Array.from(form.elements).filter(isKept).map((field) => {
      if (isBox(field)) return { name: field.name, value: field.value, checked: field.checked };
      const selected = field.multiple && field.options && Array.from(field.selectedOptions, (o) => o.value);
      return { name: field.name, value: selected || field.value };
    });
  }

  function fillField(field, saved) {
    const before = isBox(field) ? field.checked : field.value;
    if (isBox(field)) field.checked = saved.checked;
    else if (Array.isArray(saved.value)) {
      Array.from(field.options).forEach((o) => (o.selected = saved.value.includes(o.value)));
    } else field.value = saved.value;
    const isChanged = before !== (isBox(field) ? field.checked : field.value);
    if (isChanged) field.dispatchEvent(new Event("change", { bubbles: true }));
    return isChanged;
  }

  function restoreForm(form) {
    const saved = restorable.get(identify(form));
    if (!saved) return false;
    restorable.delete(identify(form));
    return Array.from(form.elements).filter(isKept).filter((field) => {
      const index = saved.findIndex(
        (entry) => entry.name === field.name && (!isBox(field) || entry.value === field.value)
      );
      return index >= 0 && fillField(field, saved.splice(index, 1)[0]);
    }).length > 0;
  }

  function restoreWithin(part) {
    const forms = Array.from(part.querySelectorAll("form")).filter(isKeptForm);
    if (forms.filter(restoreForm).length) window.portal.showMessage("message-restored");
  }

  function keep(form) {
    if (!isKeptForm(form)) return;
    const fields = capture(form);
    if (!fields.length) return;
    drafts[identify(form)] = fields;
    write();
  }

  function handleSubmit({ target: form }) {
    if (form.closest(".topbar")) {
      drafts = {};
      sessionStorage.removeItem(KEY);
    } else keep(form);
  }

  function forgetSubmitted(event) {
    const { elt, xhr, successful } = event.detail;
    const isSignIn = xhr.responseURL && new URL(xhr.responseURL).pathname === document.body.dataset.signIn;
    if (!successful || isSignIn || !elt.matches("form")) return;
    delete drafts[identify(elt)];
    write();
  }

  function start() {
    if (!owner) {
      if (sessionStorage.getItem(KEY)) sessionStorage.setItem(SIGNED_OUT_KEY, "yes");
      return;
    }
    const saved = read();
    const isBack = sessionStorage.getItem(SIGNED_OUT_KEY) && saved.owner === owner && saved.page === location.pathname;
    sessionStorage.removeItem(SIGNED_OUT_KEY);
    sessionStorage.removeItem(KEY);
    if (isBack) {
      drafts = saved.drafts;
      write();
      Object.entries(drafts).forEach(([form, fields]) => restorable.set(form, [...fields]));
      restoreWithin(document);
      document.addEventListener("htmx:load", (event) => restoreWithin(event.target));
    }
    ["input", "change"].forEach((name) => {
      document.addEventListener(name, (event) => isKept(event.target) && keep(event.target.form));
    });
    document.addEventListener("submit", handleSubmit);
    document.addEventListener("htmx:afterRequest", forgetSubmitted);
  }

  try {
    start();
  } catch {
    /* No storage, no drafts. */
  }
})();
