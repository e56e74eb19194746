// A picture that is wider than a narrow screen scrolls, by hand and by key, and says so.
addEventListener("load", () => {
  const narrow = matchMedia("(max-width: 600px)"); // as in book.css; a wide page is not measured at all
  const frames = [...document.querySelectorAll(".scrolls")];
  function look() {
    const wide = frames.map((frame) => narrow.matches && frame.scrollWidth > frame.clientWidth + 1);
    frames.forEach((frame, i) => {
      frame.classList.toggle("scrolls-now", wide[i]);
      if (!wide[i]) return ["tabindex", "role", "aria-label"].forEach((name) => frame.removeAttribute(name));
      frame.tabIndex = 0;
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", "A picture that is wider than the screen; it scrolls sideways");
    });
  }
  if (narrow.matches) look();
  addEventListener("resize", look);
});
