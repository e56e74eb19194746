// `{live} unet`: what each stage of the network makes of one noised digit, with two levers.
ddpmFigure.define("unet", (figure) => {
  const { picture, say, spell } = ddpmFigure;
  const [SIZE, AREA, T] = [8, 64, 250];
  const examples = ddpmFigure.model("ddpmDigits", "examples.js");
  const alphaBar = ddpmSchedules.alphaBar(ddpmSchedules.cosine(T));
  const chosen = { t: 80, shift: 0, skips: true, example: 5, seed: 1 };
  let asked = null; // {x, eps}, what the network looks at now
  let answer = null; // {x, eps, epsHat, guess, loss, seen}, all of one question

  const service = ddpmService(figure, (data) => {
    const { signal, spread } = roots();
    const { x, eps } = asked;
    const guess = data.eps.map((e, i) => Math.max(-1, Math.min(1, (x[i] - spread * e) / signal)));
    const loss = data.eps.reduce((sum, e, i) => sum + (e - eps[i]) ** 2, 0) / AREA;
    answer = { x, eps, epsHat: data.eps, guess, loss, seen: data.seen };
    figure.busy(false);
    const { name, channels, size } = data.seen.find((stage) => stage.name === "middle");
    figure.tell(
      `t = ${chosen.t}${told() === chosen.t ? "" : `, but the network is told ${told()}`}, ${chosen.skips ? "with" : "without"} what the way down hands over: ` +
        `the squared error of the guessed noise is ${say(answer.loss)}. In the ${name} the picture is ${channels} maps of ${size} by ${size}.`,
    );
    figure.redraw();
  });
  const roots = () => ({ signal: Math.sqrt(alphaBar[chosen.t]), spread: Math.sqrt(1 - alphaBar[chosen.t]) });
  const told = (shift = chosen.shift) => Math.max(1, Math.min(T, chosen.t + shift));

  function compute() {
    const { signal, spread } = roots();
    const eps = ddpmNoise(chosen.seed)(AREA);
    const x = Float32Array.from(examples[chosen.example], (dots, i) => signal * (dots / 8 - 1) + spread * eps[i]);
    asked = { x, eps };
    figure.busy(true);
    service.eps({ x, t: [told()], skips: chosen.skips, watch: true });
  }

  const rows = (width) => (width < 560 ? 2 : 1);
  figure.canvas(
    (brush, width, height, colors) => {
      if (!answer) return;
      const side = (width - 40) / 5;
      const mark = (text, left, top, color = colors.ink) => ((brush.fillStyle = color), spell(brush, text, left, top));
      [["x_t", answer.x, colors.thin, {}], ["ε", answer.eps, colors.eps, { from: -3, to: 3 }], ["ε̂", answer.epsHat, colors.eps, { from: -3, to: 3 }], ["x̂_0", answer.guess, colors.x0hat, {}]].forEach(([name, values, color, range], i) => {
        mark(name, i * (side + 10), 14, color);
        picture(brush, values, SIZE, i * (side + 10), 20, side, { smooth: i === 3, ...range });
      });
      // The stages: down on the left, up on the right, as deep as they are narrow; on a phone in two rows.
      const row = Math.ceil(answer.seen.length / rows(width));
      const small = Math.min(62, (width - 8 * row) / row);
      answer.seen.forEach(({ name, size, channels, strength }, i) => {
        const left = (i % row) * (small + 8);
        const top = side + (size < SIZE ? 78 : 48) + Math.floor(i / row) * (small + 80);
        mark(name, left, top - 4);
        const most = Math.max(...strength);
        picture(brush, strength, size, left, top, small, { smooth: false, from: 0, to: most });
        mark(`${channels}`, left, top + small + 14, colors.quiet);
      });
    },
    (width) => (width - 40) / 5 + 176 + (rows(width) - 1) * 138,
  );
  figure.slider("t", { min: 1, max: T, value: chosen.t, change: (t) => ((chosen.t = t), shift.set(chosen.shift), compute()) });
  // No t is told that there is not: near both ends the shift ends early, and the slider says so.
  const shift = figure.slider("told", {
    min: -100, max: 100, step: 10, value: 0,
    read: (v) => `t = ${told(v)}`,
    change: (v) => ((chosen.shift = v), compute()),
  });
  figure.menu("skips", [["on", "on"], ["off", "off: zeros instead"]], (v) => ((chosen.skips = v === "on"), compute()));
  figure.button("Another digit", () => ((chosen.example = (chosen.example + 1) % examples.length), compute()));
  compute();
});
