/* Warns a few minutes before the session ends, and prolongs it. */
(function () {
  "use strict";

  const WARN_BEFORE = 5 * 60 * 1000;
  const RETRY_AFTER = 60 * 1000;
  const { session: url, sessionSeconds } = document.body.dataset;
  if (!url) return;

  let checkAt = 0;
  const findWarning = () => document.querySelector("[data-message=session-ending]");

  function plan(seconds) {
    const endsAt = Date.now() + seconds * 1000;
    const isEnding = seconds * 1000 <= WARN_BEFORE;
    checkAt = isEnding ? endsAt + 1000 : endsAt - WARN_BEFORE;
    return isEnding ? endsAt : null;
  }

  function show(seconds) {
    const endsAt = plan(seconds);
    if (endsAt === null) return removeWarning();
    if (findWarning()) return;
    window.portal.showMessage("message-session-ending", (copy) => {
      copy.querySelector("time").dateTime = new Date(endsAt).toISOString();
    });
  }

  function removeWarning() {
    const warning = findWarning();
    if (!warning) return;
    const hadFocus = warning.contains(document.activeElement);
    warning.remove();
    if (hadFocus) document.getElementById("main").focus({ preventScroll: true });
  }

  // Asks rather than trusts the clock: another tab may have prolonged the session.
  async function ask(options = {}) {
    checkAt = Date.now() + RETRY_AFTER;
    const response = await fetch(url, { redirect: "manual", ...options });
    if (response.type === "opaqueredirect" || response.status === 403) {
      checkAt = Infinity;
      return window.portal.showSignedOut();
    }
    if (!response.ok) throw new Error(response.status);
    show((await response.json()).seconds);
  }

  const check = () => Date.now() >= checkAt && ask().catch(() => {});

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-prolong-session]")) return;
    event.preventDefault();
    ask({ method: "POST", body: new FormData(form) })
      .then(() => findWarning() || window.portal.say("You'll stay signed in."))
      .catch(() => window.portal.say("Couldn't reach the portal. Try again."));
  });
  document.addEventListener("visibilitychange", check);
  setInterval(check, 5000);
  if (plan(Number(sessionSeconds)) !== null) show(Number(sessionSeconds));
})();
