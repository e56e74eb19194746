// What is wider than its place scrolls, by hand and by key, and says so (book.css): a picture, a table, a
// printed table; and a formula, of which formulas.js knows.
function sayScrolls(frame, wide, what) {
  frame.classList.toggle("scrolls-now", wide);
  if (!wide) return ["tabindex", "role", "aria-label"].forEach((name) => frame.removeAttribute(name));
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", `A ${what} that is wider than the screen; it scrolls sideways`);
}

addEventListener("load", () => {
  const kinds = { ".scrolls": "picture", ".bd-article .pst-scrollable-table-container": "table", "pre.aligned": "printed table", "div.cell_output .text_html:not(:has(.explorer))": "table" };
  const places = new Map(Object.entries(kinds).flatMap(([where, what]) =>
    [...document.querySelectorAll(where)].map((frame) => [frame, what])));
  // All is measured before anything is changed; and without what says that it scrolls, which takes room.
  function look(frames) {
    frames.forEach((frame) => frame.classList.remove("scrolls-now"));
    const wide = frames.map((frame) => frame.scrollWidth > frame.clientWidth + 1);
    frames.forEach((frame, i) => sayScrolls(frame, wide[i], places.get(frame)));
  }
  // As soon as a place has a width, and whenever it has another one: what is folded or far away has none.
  const watch = new ResizeObserver((seen) => requestAnimationFrame(() => look(seen.map(({ target }) => target))));
  places.forEach((what, frame) => watch.observe(frame));
});
