// Copy buttons, and a key for the search. Nothing on these pages needs a script: without it the
// buttons stay hidden.
"use strict";

const RESET_AFTER = 2000;

function announce(button, text) {
  const label = button.dataset.label ?? (button.dataset.label = button.textContent);
  button.textContent = text;
  window.clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = String(
    window.setTimeout(() => {
      button.textContent = label;
    }, RESET_AFTER),
  );
}

function select(element) {
  const range = document.createRange();
  range.selectNodeContents(element);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

function offerCopying(part) {
  for (const button of part.querySelectorAll("button.copy")) {
    const source = button.parentElement.querySelector("code");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        announce(button, "Copied");
      } catch {
        // Not over plain HTTP, and not everywhere: then it is at least selected.
        select(source);
        announce(button, "Selected");
      }
    });
  }
}

offerCopying(document);
// A part of the page that has taken the place of an older one.
document.addEventListener("greenroom:part", (event) => offerCopying(event.target));

// "/" goes to the field of the search, unless one types or means something else by it.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing) {
    return;
  }
  const field = document.querySelector('form.search input[name="q"]');
  if (field) {
    event.preventDefault();
    field.focus();
    field.select();
  }
});
