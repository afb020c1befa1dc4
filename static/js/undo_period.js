/* The seconds in which something can be undone: they count down here, so that nothing is swapped
   meanwhile. They stop while the keyboard is on Undo, which the server is told every few seconds. */
(function () {
  "use strict";
  const KEEP_WAITING_MS = 5000;
  const MIN_SECONDS = 10;
  const deadlines = new WeakMap(); // of countdowns, in milliseconds
  const askedAt = new WeakMap(); // when the part of a countdown last asked whether the time is up
  let usesKeyboard = false;
  let stopped = null; // { button, seconds, sentAt } while the clock of a countdown is stopped

  const findCountdowns = () => document.querySelectorAll("[data-countdown]");
  const findPart = (element) => element.closest("[hx-trigger$=due]");
  const getCountdown = (button) => button.closest("[data-keep-focus]").querySelector("[data-countdown]");

  function getDeadline(countdown) {
    if (!deadlines.has(countdown)) deadlines.set(countdown, Date.now() + 1000 * countdown.dataset.countdown);
    return deadlines.get(countdown);
  }

  const getSecondsLeft = (countdown) => Math.max(0, Math.ceil((getDeadline(countdown) - Date.now()) / 1000));

  function askWhetherDue(countdown) {
    const part = findPart(countdown);
    if (!part || Date.now() - (askedAt.get(part) || 0) < 1000) return;
    askedAt.set(part, Date.now());
    htmx.trigger(part, "due");
  }

  function setSecondsLeft(url, seconds) {
    document.querySelectorAll(`[data-hold="${CSS.escape(url)}"]`).forEach((button) => {
      const countdown = getCountdown(button);
      if (countdown) deadlines.set(countdown, Date.now() + 1000 * seconds);
    });
  }

  async function keepWaiting(button, seconds) {
    const url = button.dataset.hold;
    const headers = JSON.parse(document.body.getAttribute("hx-headers") || "{}");
    try {
      const response = await fetch(url, { method: "POST", headers, body: new URLSearchParams({ seconds }) });
      if (!response.ok) return;
      const { seconds_left: left } = await response.json();
      setSecondsLeft(url, left);
      if (left < seconds && stopped && stopped.button === button) stopped.isOver = true;
    } catch {
      /* Offline: the server's clock goes on. */
    }
  }

  function stopClock(button) {
    const countdown = getCountdown(button);
    if (!countdown || !getSecondsLeft(countdown)) return;
    stopped = { button, countdown, seconds: Math.max(MIN_SECONDS, getSecondsLeft(countdown)), sentAt: 0 };
    countdown.textContent = stopped.seconds;
  }

  function resumeClock() {
    if (!stopped) return;
    const { button, seconds, isOver } = stopped;
    stopped = null;
    if (button.isConnected && !isOver) keepWaiting(button, seconds);
  }

  function isStopped(countdown) {
    return stopped && !stopped.isOver && stopped.countdown === countdown;
  }

  function tick() {
    if (stopped && !stopped.button.isConnected) stopped = null;
    if (stopped && !stopped.isOver && Date.now() - stopped.sentAt > KEEP_WAITING_MS) {
      stopped.sentAt = Date.now();
      keepWaiting(stopped.button, stopped.seconds);
    }
    findCountdowns().forEach((countdown) => {
      if (isStopped(countdown)) return;
      const left = getSecondsLeft(countdown);
      if (countdown.textContent !== String(left)) countdown.textContent = left;
      if (!left) askWhetherDue(countdown);
    });
  }

  document.addEventListener("keydown", () => (usesKeyboard = true), true);
  document.addEventListener("pointerdown", () => (usesKeyboard = false), true);
  document.addEventListener("focusin", (event) => {
    if (usesKeyboard && event.target.dataset.hold) stopClock(event.target);
  });
  document.addEventListener("focusout", (event) => stopped && event.target === stopped.button && resumeClock());
  setInterval(tick, 250);
})();
