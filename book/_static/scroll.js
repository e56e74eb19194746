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
  const kinds = { ".scrolls": "picture", ".bd-article .pst-scrollable-table-container": "table", "pre.aligned": "printed table" };
  const frames = Object.entries(kinds).flatMap(([where, what]) =>
    [...document.querySelectorAll(where)].map((frame) => [frame, what]));
  // All is measured before anything is changed; and without what says that it scrolls, which takes room.
  function look() {
    frames.forEach(([frame]) => frame.classList.remove("scrolls-now"));
    const wide = frames.map(([frame]) => frame.scrollWidth > frame.clientWidth + 1);
    frames.forEach(([frame, what], i) => sayScrolls(frame, wide[i], what));
  }
  look();
  addEventListener("resize", look);
  addEventListener("toggle", look, true); // what was folded may have had no width
});
