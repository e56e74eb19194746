// Digits out of noise, drawn by the shipped model in the page: `{live} digits` and `{live} sampler`.
for (const kind of ["digits", "sampler"])
  ddpmFigure.define(kind, (figure, mode) => {
    const full = kind === "sampler";
    const count = full ? 5 : 16;
    const columns = full ? count : 4;
    const { beta, config } = ddpmFigure.model();
    const { alphaBar } = ddpmSamplers(beta);
    const area = config.size ** 2;
    const rows = full ? ["x_t", "x̂_0", "ε̂"] : ["x_t"];
    const chosen = { method: mode ?? "multistep", steps: 20, eta: mode === "ddim" ? 0 : 1, seed: full ? 3 : 2 };
    let frames = [];
    let place = 0;
    let playing = true;
    let clock = null;

    const service = ddpmService(figure, (frame) => {
      frames.push(frame);
      slider.max = frames.length - 1;
      if (frames.length === 1) show(0);
      if (figure.calm.matches && frame.last) show(frames.length - 1);
      if (playing && clock === null) clock = setTimeout(tick, 100);
      figure.root.dataset.ready = frame.last ? "all" : "some";
      if (frame.last) figure.busy(false);
    });

    figure.canvas((brush, width, height, colors) => {
      if (!frames[place]) return;
      const { t, x, x0 } = frames[place];
      const spread = Math.sqrt(1 - alphaBar[t]);
      // The noise that the network sees: what is left of x_t without √ᾱ_t x̂_0; shown at a third.
      const noise = full && t > 0 && x.map((v, i) => (v - Math.sqrt(alphaBar[t]) * x0[i]) / spread / 3);
      const seen = [x, x0, noise];
      const side = (full ? width - 36 : width) / columns;
      brush.textBaseline = "middle";
      rows.forEach((row, r) => {
        if (full) {
          brush.fillStyle = [colors.thin, colors.x0hat, colors.eps][r];
          ddpmFigure.spell(brush, row, 4, (r + 0.5) * side);
        }
        if (!seen[r]) {
          brush.fillStyle = colors.quiet;
          brush.fillText("at t = 0 no noise is left to guess", 40, (r + 0.5) * side);
          return;
        }
        for (let i = 0; i < count; i++) {
          const left = (full ? 36 : 0) + (i % columns) * side;
          const top = (full ? r : Math.floor(i / columns)) * side;
          ddpmFigure.picture(brush, seen[r].subarray(i * area, (i + 1) * area), config.size, left + 1, top + 1, side - 2);
        }
      });
    }, (width) => (full ? (3 * (width - 36)) / columns : width));

    function show(wanted) {
      place = wanted;
      const { t } = frames[place];
      slider.set(place);
      const guess = full ? ", the clean pictures that the model guesses, and the noise" : "";
      figure.tell(
        t
          ? `${count} pictures on the way from noise to digits, at t = ${t}${guess}`
          : `${count} digits, drawn just now by the model from seed ${chosen.seed}` + (full ? `, with ${frames.length - 1} calls` : ""),
      );
      figure.redraw();
    }

    function stop() {
      playing = false;
      play.textContent = "Play";
      clearTimeout(clock);
      clock = null;
    }

    function tick() {
      clock = null;
      if (!playing) return;
      if (frames[place]?.last) return stop();
      if (!frames[place + 1]) return; // the next one starts the clock again
      show(place + 1);
      clock = setTimeout(tick, frames.length > 100 ? 40 : 130);
    }

    function draw() {
      figure.busy(true);
      frames = [];
      place = 0;
      slider.max = 0;
      stop();
      playing = !figure.calm.matches;
      play.textContent = playing ? "Pause" : "Play";
      const { method, steps, eta, seed } = chosen;
      service.walk({ seed, count, method, options: method === "ancestral" ? {} : { steps, eta } });
    }

    const slider = figure.slider("step", {
      max: 0,
      read: (value) => `t = ${frames[value]?.t ?? config.T ?? beta.length - 1}`,
      change: (value) => (stop(), show(value)),
    });
    const play = figure.button("Pause", () => {
      if (playing) return stop();
      if (frames[place]?.last) show(0);
      playing = true;
      play.textContent = "Pause";
      tick();
    });
    figure.button("Draw others", () => (seed.next(), draw()));
    if (full) {
      const choose = (name, number) => (value) => ((chosen[name] = number ? Number(value) : value), draw());
      figure.menu("sampler", [["multistep", "DPM-Solver++, order 2"], ["ddim", "DDIM"], ["ancestral", "ancestral, 250 calls"]], (value) => (choose("method")(value), obey()), chosen.method);
      const levers = [
        figure.menu("calls", [5, 10, 20, 50, 100].map((n) => [n, n]), choose("steps", true), chosen.steps),
        figure.menu("η", [[0, "0"], [0.5, "0.5"], [1, "1"]], choose("eta", true), chosen.eta),
      ];
      // The ancestral sampler has no choice in them.
      const obey = () => {
        for (const lever of levers) {
          lever.disabled = chosen.method === "ancestral";
          lever.title = lever.disabled ? "The ancestral sampler takes every step, with all of its noise." : "";
        }
      };
      obey();
    }
    const seed = figure.seed(chosen, draw);
    figure.calm.addEventListener("change", () => figure.calm.matches && stop());
    draw();
  });
