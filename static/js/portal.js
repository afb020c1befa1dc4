/* What the portal adds on top of plain pages. Everything here is a comfort:
   without it each form still posts and each link still leads somewhere.
   The attributes are described in docs/design.md. */
(function () {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const all = (selector, within) => {
    const found = Array.from(within.querySelectorAll(selector));
    if (within.matches && within.matches(selector)) found.unshift(within);
    return found;
  };
  const words = (element) => element.textContent.replace(/\s+/g, " ").trim();

  /* ---- Speaking: one live region for the whole page ------------------- */
  let queue = [];
  let speaking;
  const said = new Map();

  function say(text) {
    if (!text) return;
    queue.push(text);
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      const live = byId("live");
      const sentence = queue.join(" ");
      queue = [];
      if (!live) return;
      live.textContent = "";
      setTimeout(() => (live.textContent = sentence), 50);
    }, 120);
  }

  function announce(element) {
    const text = element.dataset.announce || words(element);
    const key = element.id || element.dataset.announceKey;
    if (key) {
      if (said.get(key) === text) return;
      said.set(key, text);
    }
    say(text);
  }

  /* ---- Messages -------------------------------------------------------- */
  const MAX_MESSAGES = 3;
  const SUCCESS_STAYS = 12000;

  function settle(message) {
    if (message.dataset.seen) return;
    message.dataset.seen = "yes";
    const text = message.querySelector("[data-message-text]");
    say(words(text || message));
    if (message.dataset.message === "success") {
      const leave = () => {
        if (message.matches(":hover, :focus-within")) setTimeout(leave, 3000);
        else message.remove();
      };
      setTimeout(leave, SUCCESS_STAYS);
    }
    const place = byId("messages");
    const shown = place ? place.querySelectorAll("[data-message]") : [];
    for (let i = MAX_MESSAGES; i < shown.length; i++) shown[i].remove();
  }

  function tell(tone, text) {
    const last = document.querySelector("#messages [data-message-text]");
    if (last && words(last) === text) return say(text);
    const shown = showMessage("message-" + tone, (copy) => {
      copy.querySelector("[data-message-text]").textContent = text;
    });
    if (!shown) say(text);
  }

  // Shows a copy of a <template>, filled in before it is announced.
  function showMessage(id, fillIn = () => {}) {
    const template = byId(id);
    const place = byId("messages");
    if (!template || !place) return null;
    const copy = template.content.cloneNode(true);
    fillIn(copy);
    place.prepend(copy);
    tick(place);
    const message = place.querySelector("[data-message]");
    settle(message);
    return message;
  }

  function showSignedOut() {
    if (document.querySelector("[data-message=signed-out]")) return;
    document.querySelectorAll("[data-message=session-ending]").forEach((message) => message.remove());
    const here = location.pathname + location.search;
    showMessage("message-signed-out", (copy) => {
      const link = copy.querySelector("[data-sign-in-again]");
      link.href = document.body.dataset.signIn + "?next=" + encodeURIComponent(here);
    });
  }

  window.portal = { say, showMessage, showSignedOut };

  /* ---- Times: relative for the eye, exact on hover --------------------- */
  const relative = new Intl.RelativeTimeFormat("en");
  const exact = new Intl.DateTimeFormat("en-GB", {
    weekday: "long", day: "numeric", month: "long", year: "numeric",
    hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  const short = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
  });
  const UNITS = [
    ["year", 31536000], ["month", 2 * 2592000, 2592000],
    ["day", 86400], ["hour", 3600], ["minute", 60],
  ];

  function ago(date) {
    const seconds = (date - Date.now()) / 1000;
    for (const [unit, from, size = from] of UNITS) {
      if (Math.abs(seconds) >= from) return relative.format(Math.trunc(seconds / size), unit);
    }
    return seconds > 5 ? "in a moment" : "just now";
  }

  function tick(within) {
    all("time[data-relative], time[data-local]", within).forEach((time) => {
      const date = new Date(time.dateTime);
      if (isNaN(date)) return;
      const text = time.hasAttribute("data-relative") ? ago(date) : short.format(date);
      if (time.textContent !== text) time.textContent = text;
      if (!time.dataset.exact) time.title = time.dataset.exact = exact.format(date);
    });
  }
  setInterval(() => tick(document.body), 30000);

  /* ---- Things that need JavaScript show themselves --------------------- */
  function keepTableRoles(table) {
    // Rows drawn as cards lose their meaning for screen readers; say it again.
    const roles = [
      ["thead, tbody, tfoot", "rowgroup"], ["tr", "row"], ["td", "cell"],
      ["th[scope=row]", "rowheader"], ["th:not([scope=row])", "columnheader"],
    ];
    table.setAttribute("role", "table");
    roles.forEach(([selector, role]) => {
      table.querySelectorAll(selector).forEach((cell) => cell.setAttribute("role", role));
    });
  }

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

  function prepare(within) {
    if (zone) {
      all("input[data-zone]", within).forEach((input) => (input.value = zone));
      all("[data-zone-name]", within).forEach((name) => (name.textContent = zone));
    }
    all("[data-copy], [data-reveal]", within).forEach((button) => (button.hidden = false));
    countSelected(document.body);
    all("[data-select-all]", within).forEach((box) => {
      const label = box.closest("label");
      (label || box).hidden = false;
    });
    all("table", within).forEach((t) => t.classList.contains("table-cards") && keepTableRoles(t));
    const table = within.closest && within.closest("table.table-cards");
    if (table) keepTableRoles(table);
    tick(within);
    all("[data-message]", within).reverse().forEach(settle);
  }

  function takeFocus(within) {
    // A row that takes the focus leaves it to an error within it.
    const takers = all("[data-take-focus]", within);
    const taker = takers.find((one) => !one.querySelector("[data-take-focus]"));
    if (!taker) return;
    if (!taker.hasAttribute("tabindex")) taker.tabIndex = -1;
    taker.focus();
  }

  /* ---- Copy, reveal, dismiss ------------------------------------------- */
  function flash(button, text) {
    const label = button.querySelector("[data-label]") || button;
    if (!button.dataset.was) button.dataset.was = label.textContent;
    label.textContent = text;
    clearTimeout(button.flashing);
    button.flashing = setTimeout(() => (label.textContent = button.dataset.was), 2000);
  }

  async function copy(button) {
    const source = byId(button.dataset.copy);
    const text = source ? ("value" in source ? source.value : source.innerText) : "";
    try {
      await navigator.clipboard.writeText(text.trim());
      flash(button, "Copied");
      say("Copied.");
    } catch {
      if (source) getSelection().selectAllChildren(source);
      flash(button, "Press Ctrl+C");
      say("Selected. Press Control and C to copy.");
    }
  }

  function reveal(button) {
    const input = byId(button.dataset.reveal);
    if (!input) return;
    const show = input.type === "password";
    input.type = show ? "text" : "password";
    button.setAttribute("aria-pressed", String(show));
    button.querySelector("[data-label]").textContent = show ? "Hide" : "Show";
  }

  /* ---- Menus made of <details data-menu> -------------------------------- */
  const openMenus = () => Array.from(document.querySelectorAll("details[data-menu][open]"));

  document.addEventListener("click", (event) => {
    const off = event.target.closest("button[aria-disabled=true]");
    if (!off) return;
    // It keeps its place in the tab order so that its reason can be read; it does nothing.
    event.preventDefault();
    event.stopImmediatePropagation();
    const why = byId(off.getAttribute("aria-describedby"));
    if (!why) return;
    // A reason that is not on screen is shown, on touch too.
    if (why.matches(".visually-hidden")) tell("warning", words(why));
    else say(words(why));
  }, true);

  document.addEventListener("click", (event) => {
    openMenus().forEach((menu) => menu.contains(event.target) || (menu.open = false));
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    else if (button.dataset.reveal) reveal(button);
    else if ("dismiss" in button.dataset) dismiss(button);
  });

  function dismiss(button) {
    const message = button.closest("[data-message]");
    const next = message.nextElementSibling || message.previousElementSibling;
    message.remove();
    const target = (next && next.querySelector("[data-dismiss]")) || byId("main");
    if (target) target.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    openMenus().forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });

  document.addEventListener("focusout", (event) => {
    const menu = event.target.closest("details[data-menu][open]");
    if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-select-all]")) {
      document.querySelectorAll(`input[type=checkbox][name="${box.dataset.selectAll}"]`).forEach(
        (other) => other.disabled || (other.checked = box.checked)
      );
    }
    const count = countSelected(document.body);
    if (box.form && box.form.querySelector("[data-selected-count]")) say(count);
  });

  /* ---- "3 selected:" beside the buttons for many -------------------------- */
  function countSelected(within) {
    let text = "";
    all("[data-selected-count]", within).forEach((label) => {
      const boxes = document.querySelectorAll(`input[type=checkbox][name="${label.dataset.selectedCount}"]:checked`);
      const allMatching = label.closest("form").elements.all_matching;
      text = allMatching && allMatching.checked ? label.dataset.allSelected : `${boxes.length} selected`;
      label.textContent = text;
    });
    return text;
  }

  /* ---- Asking before, and never sending twice --------------------------- */
  const confirmedForms = new WeakSet();
  let confirming = null; // the form or button, while the dialog is open

  function ask(form, submitter, proceed) {
    const dialog = byId("confirm");
    const options = { ...form.dataset, ...(submitter ? submitter.dataset : {}) };
    dialog.querySelector("[data-confirm-title]").textContent = options.confirm;
    dialog.querySelector("[data-confirm-body]").textContent = options.confirmText || "";
    const yes = dialog.querySelector("[value=yes]");
    yes.textContent = options.confirmLabel || (submitter ? words(submitter) : "Yes");
    yes.classList.toggle("btn-danger", options.confirmTone === "danger");
    yes.classList.toggle("btn-primary", options.confirmTone !== "danger");
    dialog.returnValue = "no";
    confirming = proceed ? submitter : form;
    dialog.addEventListener("close", () => {
      confirming = null;
      if (dialog.returnValue !== "yes") return;
      if (proceed) return proceed();
      confirmedForms.add(form);
      form.requestSubmit(submitter);
    }, { once: true });
    dialog.showModal();
  }

  const busy = (form, on) => {
    if (on) form.setAttribute("aria-busy", "true");
    else form.removeAttribute("aria-busy");
  };
  const isPost = (form) => form.method === "post" && !("guard" in form.dataset && form.dataset.guard === "off");

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const submitter = event.submitter;
    if (form.getAttribute("aria-busy") === "true") {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    const needsConfirmation = form.dataset.confirm || (submitter && submitter.dataset.confirm);
    if (needsConfirmation && !confirmedForms.delete(form) && byId("confirm").showModal) {
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(form, submitter);
    }
  }, true);

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !isPost(form)) return;
    busy(form, true);
    setTimeout(() => busy(form, false), 15000);
  });

  addEventListener("pageshow", () => {
    document.querySelectorAll("form[aria-busy]").forEach((form) => busy(form, false));
  });

  /* ---- htmx: busy, focus, sessions, answers that did not come ----------- */
  const on = (name, does) => document.addEventListener("htmx:" + name, does);
  const ownForm = (event) => event.target.closest && event.target.closest("form");
  const isRead = (event) => event.detail.requestConfig && event.detail.requestConfig.verb === "get";
  let focused = null;

  // Buttons that send by themselves, such as those of rows, ask here instead of on submit.
  on("confirm", (event) => {
    const { elt, issueRequest } = event.detail;
    if (!elt.matches("button[data-confirm]") || !byId("confirm").showModal) return;
    event.preventDefault();
    ask(elt.form, elt, () => issueRequest(true));
  });

  on("beforeRequest", (event) => {
    if (isBackingOff(poller(event))) return event.preventDefault();
    const form = ownForm(event);
    if (form && event.target === form && isPost(form)) busy(form, true);
  });
  on("afterRequest", (event) => {
    const form = ownForm(event);
    if (form) busy(form, false);
  });

  const somewhere = (active) => active && active !== document.body && active.isConnected;

  function remember() {
    const active = document.activeElement;
    if (!somewhere(active)) return;
    const keeper = active.closest("[data-keep-focus]");
    focused = { id: active.id, keeper: keeper && keeper.id };
  }

  function restore() {
    if (!focused || somewhere(document.activeElement)) return;
    const same = focused.id && byId(focused.id);
    const keeper = focused.keeper && byId(focused.keeper);
    let target = same && !same.disabled ? same : null;
    if (!target && keeper) target = keeper.querySelector("[data-focus-fallback]") || keeper;
    if (!target) return;
    if (target === keeper && !keeper.hasAttribute("tabindex")) keeper.tabIndex = -1;
    target.focus({ preventScroll: true });
  }

  /* Parts that ask for themselves: each less often while nobody answers, and no more once it is gone. */
  const SLOWEST = 30000;
  const backoffs = new WeakMap();

  function poller(event) {
    const asking = isRead(event) && event.detail.requestConfig.elt;
    return asking && /every /.test(asking.getAttribute("hx-trigger") || "") ? asking : null;
  }

  const isBackingOff = (part) => backoffs.has(part) && Date.now() < backoffs.get(part).until;

  function slowDown(part) {
    const { pause } = backoffs.get(part) || { pause: 1000 };
    const longer = Math.min(2 * pause, SLOWEST);
    backoffs.set(part, { pause: longer, until: Date.now() + longer });
  }

  function stopPolling(part) {
    backoffs.set(part, { until: Infinity });
    part.removeAttribute("aria-busy");
  }

  function showUnavailable(part) {
    const text = "This is no longer available to you.";
    const place = part.querySelector("[data-unavailable-target]");
    if (!place) return tell("error", text + " Reload the page.");
    focused = null;
    remember();
    place.textContent = text;
    restore();
    say(text);
  }

  /* A click needs the same button when it begins and when it ends, so what is pressed stays there. */
  let pressed = null;
  const release = () => (pressed = null);
  document.addEventListener("pointerdown", (event) => event.button === 0 && (pressed = event.target), true);
  document.addEventListener("keydown", (event) => event.key === " " && (pressed = event.target), true);
  ["pointerup", "pointercancel", "contextmenu", "keyup"].forEach((name) => document.addEventListener(name, release, true));
  addEventListener("blur", release);

  // Nor is it taken away while somebody is asked about it, or what was clicked in it is on its way.
  const isInUse = (part) =>
    part.contains(pressed) || part.contains(confirming) || part.querySelector("form[aria-busy=true], .htmx-request");

  on("beforeSwap", (event) => {
    const { xhr } = event.detail;
    const part = poller(event);
    const signIn = document.body.dataset.signIn;
    if (signIn && xhr.responseURL && new URL(xhr.responseURL).pathname === signIn && location.pathname !== signIn) {
      // The session ended while the page was open. What was typed in it stays.
      event.detail.shouldSwap = false;
      if (part) stopPolling(part);
      showSignedOut();
      return;
    }
    if (part && xhr.status < 400) backoffs.delete(part);
    if (part && event.detail.shouldSwap && isInUse(part)) {
      event.detail.shouldSwap = false; // the next answer brings it
      return;
    }
    if (xhr.status >= 400 && event.detail.shouldSwap && /^\s*<!doctype html/i.test(xhr.response)) {
      // A whole page as an answer to a part: say its sentence, keep what is here.
      event.detail.shouldSwap = false;
      if (part) stopPolling(part);
      const page = new DOMParser().parseFromString(xhr.response, "text/html");
      if (signIn && page.querySelector("[data-sign-in-again]")) return showSignedOut();
      const said = [page.querySelector("h1"), page.querySelector(".page-lead")];
      tell("error", said.filter(Boolean).map(words).join(". ").replace(/\.\.+/g, ".") || "Something went wrong. Try again.");
      return;
    }
    if (event.detail.shouldSwap && /^\s*<!doctype html/i.test(xhr.response)) {
      // What was asked for leads elsewhere now: go there, too.
      event.detail.shouldSwap = false;
      location.assign(xhr.responseURL);
      return;
    }
    focused = null;
    remember();
  });
  on("oobBeforeSwap", remember);
  // At once, so that no key pressed meanwhile goes astray; and again for what is shown by `prepare`.
  on("afterSwap", (event) => {
    takeFocus(event.target);
    restore();
  });
  on("afterSettle", restore);

  const outcomeUnknown = "No response yet, so we don't know whether it worked. Reload the page to check.";

  function handleNoResponse(event) {
    const part = poller(event);
    if (part) return slowDown(part);
    tell("error", isRead(event) ? "Couldn't reach the portal. Check your connection and try again." : outcomeUnknown);
  }
  on("sendError", handleNoResponse);
  on("timeout", handleNoResponse);
  on("responseError", (event) => {
    const { status } = event.detail.xhr;
    const part = poller(event);
    if (part && (status >= 500 || status === 429)) return slowDown(part);
    if (part) {
      stopPolling(part);
      return showUnavailable(part);
    }
    if (status === 404) return tell("error", "This is no longer available to you. Reload the page.");
    if (status === 429) return tell("warning", "Too many requests. Wait a moment, then try again.");
    if (status < 500) return tell("error", "Something went wrong. Reload the page and try again.");
    tell("error", isRead(event) ? "Something went wrong on our side. Try again in a moment." : outcomeUnknown);
  });

  on("load", (event) => {
    if (event.target === document.body) return;
    prepare(event.target);
    all("[data-announce]", event.target).forEach(announce);
  });

  all("[data-announce]", document.body).forEach((element) => {
    const key = element.id || element.dataset.announceKey;
    if (key) said.set(key, element.dataset.announce || words(element));
  });
  prepare(document.body);
  // Once every script has run: a key pressed as soon as something has the focus must be heard.
  document.addEventListener("DOMContentLoaded", () => takeFocus(document.body));
})();
