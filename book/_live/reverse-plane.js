// `{live} reverse-plane`: noise comes back under the exact score of clouds that the reader moves.
ddpmFigure.define("reverse-plane", (figure, mode) => {
  const { axes, arrow, legend, say } = ddpmFigure;
  const COUNT = 2000;
  const LIMIT = 2.6;
  const STD = 0.15;
  const alphaBar = ddpmSchedules.alphaBar(ddpmSchedules.cosine(250));
  const means = [[-1.3, 0.9], [1.3, 1], [0.2, -1.3]];
  const chosen = { mistake: mode ?? "none", steps: mode ? 250 : 50, seed: 4, place: 0 };
  let across = LIMIT / 0.62; // from the middle to the side, as LIMIT is to the top
  let walk = null;
  let frames = []; // the steps of the walk that were asked for
  let kicks = []; // the fresh noise of the marked point at each of them

  // The noise of a seed, kept: while a cloud is dragged the same is asked for again and again.
  let kept = { seed: null };
  function draws(seed) {
    if (kept.seed !== seed) kept = { seed, noise: ddpmNoise(seed), all: [] };
    return (number) => {
      while (kept.all.length <= number) kept.all.push(kept.noise(2 * COUNT));
      return kept.all[number];
    };
  }

  function compute() {
    const drawn = draws(chosen.seed);
    const fresh = () => {
      const z = drawn(kicks.length + 1);
      kicks.push([z[0], z[1]]);
      return z;
    };
    [frames, kicks] = [[], []];
    walk = ddpmWalk(alphaBar, ddpmMixture(means, STD).eps, drawn(0), fresh, chosen.steps, ddpmMistakes[chosen.mistake]);
    show();
  }

  function count(steps) {
    chosen.place = Math.round((chosen.place / chosen.steps) * steps);
    chosen.steps = slider.max = slider.dataset.to = steps;
    compute();
    slider.set(chosen.place);
  }

  // No step is taken before it is to be seen, so that the cloud follows a hand that drags.
  function at(place) {
    while (frames.length <= place) frames.push(walk.next().value);
    return frames[place];
  }

  // How many points have come home, and how far from the nearest center they are, beside the data.
  function measure(x) {
    let [home, squares] = [0, 0];
    for (let i = 0; i < x.length; i += 2) {
      let nearest = Infinity;
      for (const mean of means) nearest = Math.min(nearest, (x[i] - mean[0]) ** 2 + (x[i + 1] - mean[1]) ** 2);
      home += nearest <= (3 * STD) ** 2;
      squares += nearest;
    }
    return [home / COUNT, Math.sqrt(squares / (2 * COUNT)) / STD];
  }

  function show() {
    figure.tell(() => {
      const { t, x } = at(chosen.place);
      const [home, wide] = measure(x);
      return Number.isFinite(wide)
        ? `t = ${t}: ${Math.round(100 * home)} % of ${COUNT} points lie in a circle; on average they are ` +
            `${say(wide)} times as far from its center as the data.`
        : `t = ${t}: nothing is left but numbers too large to draw.`;
    });
    figure.redraw();
  }

  figure.canvas((brush, width, height, colors) => {
    if (!walk) return;
    const box = { left: 0.5, top: 0.5, width: width - 1, height: height - 1 };
    across = (LIMIT * width) / height;
    const { x, y } = axes(brush, box, [-across, across], [-LIMIT, LIMIT], colors, { xs: [], ys: [] });
    const frame = at(chosen.place);
    brush.save();
    brush.beginPath();
    brush.rect(0, 0, width, height);
    brush.clip();
    for (const [a, b] of means) {
      brush.strokeStyle = colors.x0;
      brush.lineWidth = 2;
      brush.beginPath();
      brush.ellipse(x(a), y(b), x(3 * STD) - x(0), x(3 * STD) - x(0), 0, 0, 7);
      brush.stroke();
    }
    brush.globalAlpha = 0.5;
    brush.fillStyle = colors.xt;
    // Squares of whole dots are filled quickest.
    const dots = brush.getTransform().a;
    const side = Math.round(2.4 * dots) / dots;
    const whole = (place) => Math.round((place - side / 2) * dots) / dots;
    for (let i = 2; i < 2 * COUNT; i += 2) brush.fillRect(whole(x(frame.x[i])), whole(y(frame.x[i + 1])), side, side);
    brush.globalAlpha = 1;
    const marked = [x(frame.x[0]), y(frame.x[1])];
    if (frame.t > 0) {
      arrow(brush, marked, [x(frame.x0[0]), y(frame.x0[1])], colors.x0hat);
      const { mean, sigma } = frame;
      const next = mean.map((value, axis) => value + sigma * (kicks[chosen.place]?.[axis] ?? 0));
      if (sigma > 0) arrow(brush, [x(mean[0]), y(mean[1])], [x(next[0]), y(next[1])], colors.eps);
    }
    brush.fillStyle = colors.xt;
    brush.strokeStyle = colors.paper;
    brush.beginPath();
    brush.arc(...marked, 6, 0, 7);
    brush.fill();
    brush.stroke();
    brush.restore();
    // What the colors are.
    legend(brush, 10, 10, [["x_t", colors.xt], ["x̂_0", colors.x0hat], ["fresh noise", colors.eps], ["the data", colors.x0]], colors);
  }, (width) => Math.max(280, Math.min(430, 0.62 * width)));

  const handles = means.map((mean, i) =>
    figure.handle(`Cloud ${i + 1}`, [0.5, 0.5], ([right, down]) => {
      means[i] = [(2 * right - 1) * across, (1 - 2 * down) * LIMIT];
      compute();
    }),
  );
  const settle = () =>
    handles.forEach(({ place }, i) => place([(means[i][0] / across + 1) / 2, (1 - means[i][1] / LIMIT) / 2]));
  new ResizeObserver(settle).observe(figure.stage);

  const slider = figure.slider("steps taken", {
    max: chosen.steps,
    read: (place) => `t = ${walk ? at(place).t : 250}`,
    change: (place) => ((chosen.place = place), show()),
  });
  figure.player(slider, 60);
  figure.menu(
    "mistake",
    [
      ["none", "none"],
      ["alpha", "ᾱ for α in the mean"],
      ["end", "noise at the last step"],
      ["root", "no root: σ = variance"],
      ["half", "exp of half the variance"],
      ["told", "told t + 10"],
      ["back", "t − 1 for s"],
      ["still", "no fresh noise"],
    ],
    (value) => ((chosen.mistake = value), compute()),
    chosen.mistake,
  );
  figure.menu("steps", [[50, "50"], [10, "10"], [250, "250"]], (value) => count(Number(value)), chosen.steps);
  figure.button("Other noise", () => ((chosen.seed += 1), compute()));
  chosen.place = mode ? 250 : 26; // where both arrows are long
  compute();
  slider.set(chosen.place);
});
