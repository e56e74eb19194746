// A formula that is wider than its line is set smaller, down to a half: on a phone nobody has to
// scroll to read it.
(() => {
  const LINES = "p, li, dd, dt, td, th, h1, h2, h3, .derivation-step, .derivation-lhs, .derivation-reason";

  // All is measured before anything is changed: the page is laid out once, not once a formula.
  function fit() {
    const formulas = [...document.querySelectorAll("main mjx-container")];
    for (const formula of formulas) formula.style.fontSize = "";
    const sizes = formulas.map((formula) => {
      const line = formula.hasAttribute("display") ? formula : formula.closest(LINES);
      const width = formula.querySelector("mjx-math")?.getBoundingClientRect().width ?? 0;
      const room = line?.clientWidth ?? 0;
      if (!room || width <= room) return "";
      return `${parseFloat(getComputedStyle(formula).fontSize) * Math.max(0.5, (0.98 * room) / width)}px`;
    });
    formulas.forEach((formula, i) => (formula.style.fontSize = sizes[i]));
  }

  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    fit();
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth !== width) fit();
      width = innerWidth;
    });
  });
})();
