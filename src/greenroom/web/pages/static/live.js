// A page that shows a draft keeps itself up to date: it hears that the draft has changed, reads
// itself again, and takes over the parts that differ. A part in which somebody works stays, and
// the page says that it has changed. Without a script the page is what it was when it was read.
"use strict";

(() => {
  const TRY_AGAIN_AFTER = 15000;
  const place = document.querySelector("[data-events]");
  if (!place || !window.EventSource) {
    return;
  }
  let mark = place.dataset.mark;
  let source = null;
  let timer = 0;

  function say() {
    place.querySelector("[hidden]")?.removeAttribute("hidden");
  }

  function isInUse(part) {
    const selection = window.getSelection();
    const selects = selection && !selection.isCollapsed && selection.containsNode(part, true);
    const isWritten = [...part.querySelectorAll("input, textarea")].some(
      (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked,
    );
    return selects || isWritten || part.contains(document.activeElement);
  }

  // Takes a newer part over; gives whether the page now shows it.
  function takeOver(part, newer) {
    const opened = [...part.querySelectorAll("details")].map((details) => details.open);
    if (isInUse(part)) {
      return part.textContent === newer.textContent;
    }
    newer.querySelectorAll("details").forEach((details, number) => {
      details.open = opened[number] ?? details.open;
    });
    const imported = document.importNode(newer, true);
    part.replaceWith(imported);
    imported.dispatchEvent(new Event("greenroom:part", { bubbles: true }));
    return true;
  }

  // Reads the page again; gives whether it is still the page of a draft that stands open.
  async function refresh() {
    let text;
    try {
      const answer = await fetch(window.location.href, { redirect: "error", cache: "no-store" });
      if (!answer.ok) {
        return answer.status >= 500;
      }
      text = await answer.text();
    } catch {
      return navigator.onLine === false;
    }
    const newer = new DOMParser().parseFromString(text, "text/html");
    if (!newer.querySelector("[data-events]")) {
      return false;
    }
    let isWhole = true;
    for (const part of document.querySelectorAll("[data-live]")) {
      const match = newer.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
      isWhole = match !== null && takeOver(part, match) && isWhole;
    }
    if (!isWhole) {
      say();
    }
    return true;
  }

  function unsubscribe() {
    window.clearTimeout(timer);
    source?.close();
    source = null;
  }

  async function follow() {
    if (!(await refresh())) {
      unsubscribe();
      say();
    } else if (!source && !document.hidden) {
      subscribe();
    }
  }

  function subscribe() {
    unsubscribe();
    source = new EventSource(`${place.dataset.events}?since=${encodeURIComponent(mark)}`);
    source.addEventListener("change", (event) => {
      mark = event.lastEventId;
      follow();
    });
    source.addEventListener("error", () => {
      // The browser asks again by itself, but not after a refusal.
      if (source?.readyState === EventSource.CLOSED) {
        unsubscribe();
        timer = window.setTimeout(follow, TRY_AGAIN_AFTER);
      }
    });
  }

  // A browser has few connections to one host: pages that nobody looks at need none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      unsubscribe();
    } else {
      subscribe();
    }
  });
  if (!document.hidden) {
    subscribe();
  }
})();
