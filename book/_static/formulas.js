// A formula is set by MathJax when it comes near the screen; until then it keeps its room (book.css). One
// that is wider than its line is set smaller, down to two fifths: on a phone, or on paper, nobody has to
// scroll to read it.
(() => {
  const LINES = "p, li, dd, dt, td, th, h1, h2, h3, .derivation-step, .derivation-lhs, .derivation-reason";
  const done = () => [...document.querySelectorAll("main mjx-container")];

  // All is measured before anything is changed: the page is laid out once, not once a formula.
  function fit(formulas) {
    for (const formula of formulas) formula.style.fontSize = "";
    const sizes = formulas.map((formula) => {
      const line = formula.hasAttribute("display") ? formula : formula.closest(LINES);
      const width = formula.querySelector("mjx-math")?.getBoundingClientRect().width ?? 0;
      const room = line?.clientWidth ?? 0;
      if (!room || width <= room) return "";
      return `${parseFloat(getComputedStyle(formula).fontSize) * Math.max(0.4, (0.98 * room) / width)}px`;
    });
    formulas.forEach((formula, i) => (formula.style.fontSize = sizes[i]));
  }

  addEventListener("load", () => {
    if (!window.MathJax?.startup?.promise) return; // no mathematics here
    MathJax.startup.promise = MathJax.startup.promise.then(begin);
  });

  // Resolves when what can be seen first is set.
  function begin() {
    const waiting = new Set(document.querySelectorAll(".math"));
    function set(places) {
      places = places.filter((place) => waiting.delete(place));
      if (!places.length) return;
      places.forEach((place) => near.unobserve(place));
      MathJax.typeset(places);
      fit(places.flatMap((place) => [...place.querySelectorAll("main mjx-container")]));
    }
    let near;
    const first = new Promise((resolve) => {
      const look = (seen) => resolve(set(seen.filter((one) => one.isIntersecting).map((one) => one.target)));
      near = new IntersectionObserver(look, { rootMargin: "800px" });
    });
    waiting.forEach((place) => near.observe(place));

    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth !== width) fit(done());
      width = innerWidth;
    });
    // By now print.js has opened the folds. The class gives the page the width of the paper while we measure.
    addEventListener("beforeprint", () => {
      set([...waiting]);
      document.documentElement.classList.add("paper");
      fit(done());
      document.documentElement.classList.remove("paper");
    });
    addEventListener("afterprint", () => fit(done()));
    return first;
  }
})();
