// `{live} few-steps`: the student of `ddpm_course/few_steps.py` with one to four calls, beside a sampler with as many.
ddpmFigure.define("few-steps", (figure) => {
  const { picture, say } = ddpmFigure;
  const teacher = ddpmFigure.model();
  const student = ddpmFigure.model("ddpmStudent", "student.js");
  const [SIZE, AREA, COUNT, LONG] = [8, 64, 6, 20];
  const names = { ddim: "DDIM", multistep: "order 2, fresh noise" };
  const chosen = { calls: 1, beside: "ddim", seed: 3 };
  const calls = () => `${chosen.calls} call${chosen.calls > 1 ? "s" : ""}`;
  let drawn = {}; // {student, beside, end}: the digits of each row, from the same noise
  let waiting = []; // what the teacher is still to be asked

  // All three begin with the same noise: it is the first that the seed gives.
  const walk = (service, method, steps, eta) => service.walk({ seed: chosen.seed, count: COUNT, method, options: { steps, eta } });
  const jumps = ddpmService(figure, (step) => step.last && show("student", step.x), student);
  const walks = ddpmService(figure, (step) => {
    if (!step.last) return;
    show(waiting.shift().row, step.x);
    next();
  }, teacher);

  function next() {
    if (waiting.length) walk(walks, waiting[0].method, waiting[0].steps, waiting[0].eta);
  }

  function draw(fresh) {
    drawn = fresh ? {} : { end: drawn.end }; // where the walks end, the choice of the calls does not change
    waiting = [{ row: "beside", method: chosen.beside, steps: chosen.calls, eta: chosen.beside === "ddim" ? 0 : 1 }];
    if (!drawn.end) waiting.push({ row: "end", method: "multistep", steps: LONG, eta: 0 });
    figure.busy(true);
    walk(jumps, "student", chosen.calls);
    next();
  }

  const apart = (a, b) => say(a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / (2 * a.length));

  function show(row, digits) {
    drawn[row] = digits;
    figure.redraw();
    if (!drawn.student || !drawn.beside || !drawn.end) return;
    figure.busy(false);
    figure.tell(`With ${calls()}, from the same noise: ${ends()}.`);
  }

  // Who adds fresh noise between the calls ends elsewhere; how far from there is then no measure of the digits.
  function ends() {
    const far = (row) => `${apart(drawn[row], drawn.end)} of full ink away from where the teacher arrives with ${LONG} calls`;
    if (chosen.calls === 1)
      return `on average a pixel of the student is ${far("student")}, one of ${names[chosen.beside]} ${apart(drawn.beside, drawn.end)}`;
    if (chosen.beside === "ddim")
      return (
        "the student adds fresh noise between its calls and so ends at other digits than its teacher: look whether they are good ones. " +
        `DDIM adds none; on average its pixels are ${far("beside")}`
      );
    return "both add fresh noise between their calls and so end at other digits than the teacher: look whether they are good ones";
  }

  figure.canvas(
    (brush, width, height, colors) => {
      const side = width / COUNT;
      const rows = [["student", `the student, ${calls()}${chosen.calls > 1 ? ", fresh noise between them" : ""}`], ["beside", `${names[chosen.beside]}, ${calls()}`], ["end", `the teacher, ${LONG} calls without fresh noise`]];
      rows.forEach(([row, name], r) => {
        const top = r * (side + 26);
        brush.fillStyle = colors.ink;
        brush.fillText(name, 2, top + 16);
        for (let i = 0; drawn[row] && i < COUNT; i++) picture(brush, drawn[row].subarray(i * AREA, (i + 1) * AREA), SIZE, i * side + 1, top + 23, side - 2);
      });
    },
    (width) => 3 * (width / COUNT + 26),
  );
  figure.menu("calls", [1, 2, 4].map((n) => [n, n]), (value) => ((chosen.calls = Number(value)), draw(false)), chosen.calls);
  figure.menu("beside it", Object.entries(names), (value) => ((chosen.beside = value), draw(false)), chosen.beside);
  figure.button("Draw others", () => (seed.next(), draw(true)));
  const seed = figure.seed(chosen, () => draw(true));
  draw(true);
});
