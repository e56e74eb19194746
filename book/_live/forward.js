// `{live} forward`: a cloud falls apart, with the step of `ddpm_course/forward.py` and with its bug.
ddpmFigure.define("forward", (figure) => {
  const { axes, say } = ddpmFigure;
  const COUNT = 1500;
  const T = 8;
  const NAMES = [["moons", "two moons"], ["roll", "Swiss roll"], ["eight", "eight Gaussians"]];
  const chosen = { cloud: "moons", most: 0.6, shrink: "yes", t: 0 };
  let walk = [];

  // x_t = √(1 - β_t) x_{t-1} + √β_t ε_t; the mistake leaves the first root out.
  function compute() {
    const beta = ddpmSchedules.linear(T, 0.05, chosen.most);
    const noise = ddpmNoise(1); // the same noise for every setting
    walk = [ddpmClouds[chosen.cloud](COUNT, noise)];
    for (let t = 1; t <= T; t++) {
      const eps = noise(2 * COUNT);
      const keep = chosen.shrink === "yes" ? Math.sqrt(1 - beta[t]) : 1;
      walk.push(walk[t - 1].map((value, i) => keep * value + Math.sqrt(beta[t]) * eps[i]));
    }
    show();
  }

  const variance = (x) => {
    const mean = [0, 1].map((axis) => x.reduce((sum, v, i) => sum + (i % 2 === axis ? v : 0), 0) / COUNT);
    return x.reduce((sum, v, i) => sum + (v - mean[i % 2]) ** 2, 0) / (2 * COUNT);
  };

  function show() {
    const [start, now] = [walk[0], walk[chosen.t]];
    let swapped = 0;
    for (let i = 0; i < 2 * COUNT; i += 2) swapped += start[i] < 0 !== now[i] < 0;
    const name = NAMES.find(([key]) => key === chosen.cloud)[1];
    figure.tell(
      `${name}, t = ${chosen.t} of ${T}: ${Math.round((100 * swapped) / COUNT)} % of the points have changed sides; ` +
        `the variance is ${say(variance(now))}${chosen.shrink === "yes" ? "." : ", because nothing shrinks the points."}`,
    );
    figure.redraw();
  }

  figure.canvas(
    (brush, width, height, colors) => {
      if (!walk.length) return;
      const side = Math.min(width / 2 - 40, height - 40);
      const top = 24;
      // Left the cloud, each point in the color of the side where it began.
      const from = [Math.max(24, width / 2 - side - 30), top];
      const { x, y } = axes(brush, { left: from[0], top, width: side, height: side }, [-4, 4], [-4, 4], colors, { title: `t = ${chosen.t}` });
      const [start, now] = [walk[0], walk[chosen.t]];
      brush.globalAlpha = 0.55;
      for (let i = 0; i < 2 * COUNT; i += 2) {
        const [px, py] = [now[i], now[i + 1]];
        if (Math.abs(px) > 4 || Math.abs(py) > 4) continue;
        brush.fillStyle = start[i] < 0 ? colors.ink : colors.other;
        brush.fillRect(x(px) - 1.2, y(py) - 1.2, 2.4, 2.4);
      }
      brush.globalAlpha = 1;
      // Right the variance at each t.
      const spread = walk.map(variance);
      const most = Math.max(2, Math.ceil(Math.max(...spread)));
      const right = axes(brush, { left: width / 2 + 40, top, width: Math.min(side, width / 2 - 60), height: side }, [0, T], [0, most], colors, { title: "variance", ys: [0, 1, most], below: "" });
      ddpmFigure.curve(brush, spread.map((v, t) => [right.x(t), right.y(v)]), colors.quiet);
      brush.fillStyle = colors.ink;
      brush.beginPath();
      brush.arc(right.x(chosen.t), right.y(spread[chosen.t]), 5, 0, 7);
      brush.fill();
    },
    (width) => Math.min(320, width / 2 + 4),
  );
  const step = figure.slider("step t", { max: T, change: (t) => ((chosen.t = t), show()) });
  figure.player(step, 500);
  figure.menu("cloud", NAMES, (value) => ((chosen.cloud = value), compute()));
  figure.menu("each step", [["yes", "shrinks, then adds noise"], ["no", "only adds noise"]], (value) => ((chosen.shrink = value), compute()));
  figure.slider("β_8", { min: 0.05, max: 0.95, step: 0.05, value: 0.6, read: (v) => say(v), change: (value) => ((chosen.most = value), compute()) });
  step.set((chosen.t = 3));
  compute();
});
