// A formula that is wider than its line is set smaller, down to two fifths: on a phone, or on paper, nobody
// has to scroll to read it.
(() => {
  const LINES = "p, li, dd, dt, td, th, h1, h2, h3, .derivation-step, .derivation-lhs, .derivation-reason";
  const all = () => [...document.querySelectorAll("main mjx-container")];

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

  // MathJax sets a formula when it comes near the screen (ui/lazy); it is measured right then.
  function fitNew(changes) {
    const formulas = new Set();
    for (const { addedNodes } of changes)
      for (const node of addedNodes) {
        if (!node.querySelectorAll) continue;
        const around = node.closest("mjx-container");
        if (around) formulas.add(around);
        else for (const inside of node.querySelectorAll("mjx-container")) formulas.add(inside);
      }
    if (formulas.size) fit([...formulas]);
  }

  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    fit(all());
    const main = document.querySelector("main");
    const later = new MutationObserver(fitNew);
    if (main) later.observe(main, { childList: true, subtree: true });
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth !== width) fit(all());
      width = innerWidth;
    });
    // By now print.js has opened the folds, and ui/lazy, which also listens, has set every formula.
    // The class gives the page the width of the paper while we measure.
    addEventListener("beforeprint", () => {
      document.documentElement.classList.add("paper");
      fit(all());
      document.documentElement.classList.remove("paper");
      later.takeRecords(); // those have their size, the paper's
    });
    addEventListener("afterprint", () => fit(all()));
  });
})();
