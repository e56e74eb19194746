// `{live} schedule`: bend β, and see what is left of a digit at each t, and at T.
ddpmFigure.define("schedule", (figure) => {
  const { axes, curve, picture, say } = ddpmFigure;
  const digit = ddpmFigure.model("ddpmDigits", "examples.js")[3].map((dots) => dots / 8 - 1);
  const LENGTHS = [10, 50, 100, 250, 1000];
  const chosen = { kind: "linear", T: 1000, betaT: 0.02, bend: 1, part: 0.5 };
  const eps = ddpmNoise(7)(64);
  let look = null;
  let beta = [];
  let alphaBar = [];

  function compute() {
    const { kind, T, betaT, bend } = chosen;
    const made = kind === "cosine" ? ddpmSchedules.cosine(T) : ddpmSchedules.linear(T, Math.min(1e-4, betaT), betaT, bend);
    try {
      alphaBar = ddpmSchedules.alphaBar(made);
      beta = made;
      show();
      look?.set(chosen.part);
    } catch (error) {
      figure.refuse(error.message, beta.length ? "The curves are of the last schedule that can be." : "");
      figure.redraw();
    }
  }

  const at = () => Math.round(chosen.part * (beta.length - 1));
  function show() {
    const T = beta.length - 1;
    const t = at();
    const left = alphaBar[T];
    figure.tell(
      `t = ${t} of ${T}: ᾱ = ${say(alphaBar[t], 3)}. At T, ᾱ = ${left < 0.001 ? left.toExponential(0).replace("-", "−") : say(left, 3)}: ` +
        (left < 0.01 ? "nothing to speak of is left of the digit." : "part of the digit is left, but sampling starts from pure noise."),
    );
    figure.redraw();
  }

  figure.canvas(
    (brush, width, height, colors) => {
      if (!beta.length) return;
      const T = beta.length - 1;
      const t = at();
      const third = width / 3;
      const steps = Array.from({ length: T }, (_, i) => i + 1);
      const most = Math.max(...beta);
      [
        ["β_t", (s) => beta[s], [0, most], colors.eps],
        ["ᾱ_t", (s) => alphaBar[s], [0, 1], colors.x0],
        ["log₁₀ SNR", (s) => Math.log10(alphaBar[s] / (1 - alphaBar[s])), [-6, 6], colors.ink],
      ].forEach(([title, value, range, color], i) => {
        const box = { left: i * third + 34, top: 22, width: third - 44, height: 120 };
        const rounded = range.map((v) => Number(v.toPrecision(2)));
        const { x, y } = axes(brush, box, [0, T], range, colors, { ys: rounded, title });
        // What is beyond the box leaves it.
        brush.save();
        brush.beginPath();
        brush.rect(box.left - 1, box.top - 1, box.width + 2, box.height + 2);
        brush.clip();
        curve(brush, steps.map((s) => [x(s), y(Math.max(2 * range[0] - range[1], value(s)))]), color);
        brush.restore();
        curve(brush, [[x(t), box.top], [x(t), box.top + box.height]], colors.quiet, 1);
      });
      // One noise, one digit, nine times; the frame is at the chosen t.
      const side = width / 9 - 4;
      for (let i = 0; i < 9; i++) {
        const s = Math.round((T * i) / 8);
        const x = digit.map((v, k) => Math.sqrt(alphaBar[s]) * v + Math.sqrt(1 - alphaBar[s]) * eps[k]);
        picture(brush, x, 8, i * (side + 4.5), 176, side);
      }
      brush.fillStyle = colors.ink;
      brush.fillText("t = 0", 0, 192 + side);
      brush.textAlign = "right";
      brush.fillText("t = T", width, 192 + side);
      brush.textAlign = "left";
    },
    (width) => 200 + width / 9,
  );
  const again = (name, number = true) => (value) => ((chosen[name] = number ? Number(value) : value), compute());
  figure.menu("schedule", [["linear", "straight, or bent"], ["cosine", "cosine"]], (value) => {
    chosen.kind = value;
    for (const slider of [last, bend]) slider.disabled = value === "cosine";
    compute();
  });
  figure.menu("T", LENGTHS.map((T) => [T, T]), again("T"), chosen.T);
  const last = figure.slider("β_T", { min: 0.005, max: 1.1, step: 0.005, value: 0.02, read: (v) => say(v, 3), change: again("betaT") });
  const bend = figure.slider("bend", { min: 0.25, max: 4, step: 0.25, value: 1, read: (v) => say(v), change: again("bend") });
  look = figure.slider("look at t", { max: 1, step: 0.01, value: 0.5, read: () => `t = ${at()}`, change: (part) => ((chosen.part = part), compute()) });
  compute();
});
