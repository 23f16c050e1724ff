"""A page, walked through with the Tab key alone."""

from playwright.sync_api import Page

_LONGEST_WALK = 600
_STEPS = 12
"""Of which many are made before the page is asked how far they have come."""

# What people can use of a page. Of a group of radio buttons one is enough: arrows reach the others.
_WATCH = """
() => {
  const usable = "a[href], area[href], button, input, select, textarea, summary, audio[controls], "
    + "video[controls], [tabindex], [contenteditable], [onclick], [role=button], [role=link], "
    + "[role=menuitem], [role=tab], [role=switch], [role=checkbox]";
  const shown = element => element.checkVisibility({visibilityProperty: true})
    && element.getClientRects().length && !element.closest("[inert]")
    && !element.matches(":disabled, input[type=hidden], [tabindex='-1'][aria-hidden=true]")
    && !element.matches("td.number > a[tabindex='-1']");  // numbers of lines: addresses to copy
  const standing = element => element.type === "radio" && element.name
    ? (element.form ?? document).querySelector(`input[type=radio][name="${element.name}"]`)
    : element;
  const look = element => {
    const style = getComputedStyle(element);
    return [style.outlineStyle === "none" ? "" : style.outline, style.boxShadow, style.border,
      style.backgroundColor, style.clip, style.transform, style.top, style.left].join(" / ");
  };
  document.activeElement.blur();
  const all = [...document.querySelectorAll(usable)].filter(shown);
  // A part that scrolls is reached so that it can be scrolled, not to be used.
  const wanted = all.filter(element => standing(element) === element
    && !(element.tabIndex < 0 && element.matches("h1, h2, main, div, section")));
  const still = new Map(wanted.map(element => [element, look(element)]));
  const walk = {wanted, steps: [], unseen: new Set(), around: false};
  const seen = new Set();
  document.addEventListener("focusin", ({target}) => {
    const element = standing(target);
    if (!still.has(element)) return;
    walk.around ||= seen.has(element) && walk.steps.at(-1) !== element;
    if (walk.around) return;
    seen.add(element);
    if (walk.steps.at(-1) !== element) walk.steps.push(element);
    if (look(target) === still.get(element) && target === element) walk.unseen.add(element);
  }, true);
  window.walk = walk;
  return wanted.length;
}
"""
_TOLD = """
() => {
  const {wanted, steps, unseen} = window.walk;
  const named = element => element.outerHTML.replace(/\\s+/g, " ").slice(0, 120);
  const places = steps.map(element => wanted.indexOf(element));
  const falls = places.filter((place, at) => place < places.at(at - 1)).length;
  return [
    ...wanted.filter(element => !steps.includes(element)).map(one => `not reached: ${named(one)}`),
    ...[...unseen].map(one => `focus is not seen: ${named(one)}`),
    ...(places.length > 1 && falls > 1 ? [`not in order: ${places}`] : []),
  ];
}
"""


def found_by_tab(page: Page) -> list[str]:
    """What is wrong for those who have a keyboard alone, in sentences.

    Everything that can be used has to get the focus, in the order in which it stands in the page;
    one sees where the focus is, and it comes round again: nothing keeps it.
    """
    count = page.evaluate(_WATCH)
    for _ in range(0, _LONGEST_WALK, _STEPS):
        for _ in range(_STEPS):
            page.keyboard.press("Tab")
        if not count or page.evaluate("() => window.walk.around"):
            return [str(each) for each in page.evaluate(_TOLD)]
        if count == 1 and page.evaluate("() => window.walk.steps.length"):
            return [str(each) for each in page.evaluate(_TOLD)]
    return [*page.evaluate(_TOLD), "the focus does not come round"]
