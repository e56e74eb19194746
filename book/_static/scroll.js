// A picture or a table that is wider than a narrow screen scrolls, by hand and by key, and says so.
addEventListener("load", () => {
  const narrow = matchMedia("(max-width: 600px)"); // as in book.css; a wide page is not measured at all
  const frames = [...document.querySelectorAll(".scrolls, .bd-article .pst-scrollable-table-container")];
  function look() {
    const wide = frames.map((frame) => narrow.matches && frame.scrollWidth > frame.clientWidth + 1);
    frames.forEach((frame, i) => {
      frame.classList.toggle("scrolls-now", wide[i]);
      if (!wide[i]) return ["tabindex", "role", "aria-label"].forEach((name) => frame.removeAttribute(name));
      frame.tabIndex = 0;
      frame.setAttribute("role", "group");
      const what = frame.matches(".scrolls") ? "picture" : "table";
      frame.setAttribute("aria-label", `A ${what} that is wider than the screen; it scrolls sideways`);
    });
  }
  if (narrow.matches) look();
  addEventListener("resize", look);
});
