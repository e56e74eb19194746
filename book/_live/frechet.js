// `{live} frechet`: two Gaussians in the plane, and the distance of `metrics.frechet_distance`:
//     |μ_1 - μ_2|² + tr(Σ_1 + Σ_2 - 2 (Σ_1 Σ_2)^½)
function ddpmFrechet(one, two) {
  const move = (one.mean[0] - two.mean[0]) ** 2 + (one.mean[1] - two.mean[1]) ** 2;
  const [[a, b], [, c]] = one.cov;
  const [[d, e], [, f]] = two.cov;
  // Of a 2 by 2 matrix M with eigenvalues >= 0: tr √M = √(tr M + 2 √det M).
  const trace = a * d + 2 * b * e + c * f;
  const root = Math.sqrt(Math.max(0, (a * c - b * b) * (d * f - e * e)));
  const shape = a + c + d + f - 2 * Math.sqrt(Math.max(0, trace + 2 * root));
  return { move, shape: Math.max(0, shape) };
}

if (typeof ddpmFigure !== "undefined")
  ddpmFigure.define("frechet", (figure) => {
    const { axes, say } = ddpmFigure;
    const LIMIT = 3;
    const real = { mean: [-1, 0.3], cov: [[0.8, 0.4], [0.4, 0.5]] };
    const chosen = { mean: [0.9, -0.2], along: 0.9, across: 0.35, turn: 90 };
    const noise = ddpmNoise(11);
    const drops = { real: noise(600), made: noise(600) };

    // Σ = R diag(along², across²) Rᵀ, turned by so many degrees.
    function made() {
      const [cos, sin] = [Math.cos((chosen.turn * Math.PI) / 180), Math.sin((chosen.turn * Math.PI) / 180)];
      const [l, s] = [chosen.along ** 2, chosen.across ** 2];
      const mixed = (l - s) * cos * sin;
      return { mean: chosen.mean, cov: [[l * cos * cos + s * sin * sin, mixed], [mixed, l * sin * sin + s * cos * cos]] };
    }

    function show() {
      const { move, shape } = ddpmFrechet(real, made());
      figure.tell(
        `The Fréchet distance is ${say(move + shape)}: ${say(move)} because the means differ, and ${say(shape)} because the shapes do.`,
      );
      figure.redraw();
    }

    figure.canvas((brush, width, height, colors) => {
      const across = (LIMIT * width) / height;
      const { x, y } = axes(brush, { left: 0.5, top: 0.5, width: width - 1, height: height - 1 }, [-across, across], [-LIMIT, LIMIT], colors, { xs: [], ys: [] });
      for (const [name, { mean, cov }, color] of [["real", real, colors.x0], ["made", made(), colors.other]]) {
        // L Lᵀ = Σ turns standard noise into draws.
        const [[a, b], [, c]] = cov;
        const l = Math.sqrt(a);
        const [m, n] = [b / l, Math.sqrt(Math.max(1e-9, c - (b * b) / a))];
        const at = (u, v) => [x(mean[0] + l * u), y(mean[1] + m * u + n * v)];
        brush.fillStyle = color;
        brush.globalAlpha = 0.5;
        for (let i = 0; i < 600; i += 2) {
          const [px, py] = at(drops[name][i], drops[name][i + 1]);
          brush.fillRect(px - 1.2, py - 1.2, 2.4, 2.4);
        }
        brush.globalAlpha = 1;
        const ring = Array.from({ length: 61 }, (_, i) => at(2 * Math.cos((i * Math.PI) / 30), 2 * Math.sin((i * Math.PI) / 30)));
        ddpmFigure.curve(brush, ring, color);
      }
      ddpmFigure.legend(brush, 10, 10, [["real", colors.x0], ["made", colors.other]], colors);
    }, (width) => Math.max(230, 0.48 * width));

    const aspect = () => figure.stage.clientHeight / figure.stage.clientWidth || 0.48;
    const handle = figure.handle("Mean of the made pictures", [0.5, 0.5], ([right, down]) => {
      chosen.mean = [((2 * right - 1) * LIMIT) / aspect(), (1 - 2 * down) * LIMIT];
      show();
    }, "other");
    new ResizeObserver(() =>
      handle.place([((chosen.mean[0] * aspect()) / LIMIT + 1) / 2, (1 - chosen.mean[1] / LIMIT) / 2]),
    ).observe(figure.stage);
    const change = (name) => (value) => ((chosen[name] = value), show());
    const spread = { min: 0.1, max: 1.5, step: 0.01, read: (v) => say(v) };
    const sliders = {
      along: figure.slider("spread along", { ...spread, value: chosen.along, change: change("along") }),
      across: figure.slider("spread across", { ...spread, value: chosen.across, change: change("across") }),
      turn: figure.slider("turned by", { max: 179, value: chosen.turn, read: (v) => `${v}°`, change: change("turn") }),
    };
    figure.button("Same as real", () => {
      // The axes of the real one: the eigenvalues and the angle of its covariance.
      const [[a, b], [, c]] = real.cov;
      const gap = Math.hypot((a - c) / 2, b);
      Object.assign(chosen, { mean: [...real.mean], along: Math.sqrt((a + c) / 2 + gap), across: Math.sqrt((a + c) / 2 - gap), turn: (Math.atan2(2 * b, a - c) * 90) / Math.PI });
      for (const [name, slider] of Object.entries(sliders)) slider.set(chosen[name]);
      handle.place([((chosen.mean[0] * aspect()) / LIMIT + 1) / 2, (1 - chosen.mean[1] / LIMIT) / 2]);
      show();
    });
    show();
  });
