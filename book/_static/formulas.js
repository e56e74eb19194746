// A formula is set by MathJax when it comes near the screen; until then it keeps its room (book.css). One
// that is wider than its line is set smaller: on the screen as long as it can be read, and then it scrolls
// and says so (scroll.js); on paper, where nothing scrolls, down to two fifths.
(() => {
  const LINES = "p, li, dd, dt, td, th, h1, h2, h3, .derivation-step, .derivation-lhs, .derivation-reason";
  const LEAST = 11; // pixels
  const done = () => [...document.querySelectorAll("main mjx-container")];
  let printing = false;

  // All is measured before anything is changed: the page is laid out once, not once a formula.
  function fit(formulas) {
    for (const formula of formulas) formula.style.fontSize = "";
    const fits = formulas.map((formula) => {
      const line = formula.hasAttribute("display") ? formula : formula.closest(LINES);
      const width = formula.querySelector("mjx-math")?.getBoundingClientRect().width ?? 0;
      const room = (line?.clientWidth ?? 0) - (formula.closest(".glued") ? 11 : 0); // for the comma: book.css
      if (room <= 0 || width <= room) return ["", false];
      const size = parseFloat(getComputedStyle(formula).fontSize);
      const least = printing ? 0.4 * size : Math.min(LEAST, size);
      return [`${Math.max(least, (0.98 * size * room) / width)}px`, (least / size) * width > room + 1];
    });
    formulas.forEach((formula, i) => {
      const [size, wide] = fits[i];
      formula.style.fontSize = size;
      sayScrolls(formula, wide && !printing, "formula");
    });
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
    // What was folded may have had no width.
    const opened = ({ target }) => target.open && !printing && fit([...target.querySelectorAll("mjx-container")]);
    addEventListener("toggle", opened, true);
    // By now print.js has opened the folds. The class gives the page the width of the paper while we measure.
    addEventListener("beforeprint", () => {
      printing = true;
      set([...waiting]);
      document.documentElement.classList.add("paper");
      fit(done());
      document.documentElement.classList.remove("paper");
    });
    addEventListener("afterprint", () => {
      printing = false;
      fit(done());
    });
    return first;
  }
})();
