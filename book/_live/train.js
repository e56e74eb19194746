// `{live} train`: draw a cloud; a PointNet learns it here, beside the exact denoiser of its points.
ddpmFigure.define("train", (figure) => {
  const { axes, curve, say } = ddpmFigure;
  const [T, STEPS, BATCH, SAMPLES, LIMIT, STD] = [20, 1200, 128, 500, 2.6, 0.08];
  const alphaBar = ddpmSchedules.alphaBar(ddpmSchedules.cosine(T));
  let cloud = [];
  let cursor = [0, 0];
  let run = 0;
  let state = null; // {step, losses, learned}
  let exact = null;

  // In the worker: take points, take a t, jump, guess, improve; now and then draw.
  function work(net, walk, noiseOf) {
    let wanted = 0;
    onmessage = async ({ data: { run, points, alphaBar, steps, batch, samples } }) => {
      wanted = run;
      const T = alphaBar.length - 1;
      const noise = noiseOf(1);
      const model = net(T, noise);
      const losses = [];
      for (let step = 1; step <= steps; step++) {
        const [x, t, eps] = [new Float64Array(2 * batch), [], noise(2 * batch)];
        for (let i = 0; i < batch; i++) {
          const one = points[Math.floor(noise.uniform() * points.length)];
          t.push(1 + Math.floor(noise.uniform() * T));
          const kept = alphaBar[t[i]];
          for (const axis of [0, 1])
            x[2 * i + axis] = Math.sqrt(kept) * one[axis] + Math.sqrt(1 - kept) * eps[2 * i + axis];
        }
        const { loss, grads } = model.gradients(x, t, eps);
        losses.push(loss);
        // The rate rises for a third of the way, then falls to nothing, along cosines.
        const part = step / steps;
        const rise = part < 0.3 ? (1 - Math.cos((Math.PI * part) / 0.3)) / 2 : (1 + Math.cos((Math.PI * (part - 0.3)) / 0.7)) / 2;
        model.adam(grads, 0.01 * Math.max(0.02, rise));
        if (step % 100 === 0 || step === steps) {
          const guess = (x, kept) => model.eps(x, new Array(samples).fill(alphaBar.indexOf(kept)));
          const fresh = noiseOf(2);
          const learned = [...walk(alphaBar, guess, fresh(2 * samples), fresh, T)].pop().x;
          postMessage({ run, step, losses: losses.slice(), learned, last: step === steps });
        }
        if (step % 20 === 0) {
          await new Promise((resume) => setTimeout(resume)); // hear whether another cloud is wanted
          if (wanted !== run) return;
        }
      }
    };
  }
  const worker = figure.worker(work, [ddpmPointNet, ddpmWalk, ddpmNoise], (data) => {
    if (data.run !== run) return;
    state = data;
    figure.busy(!data.last);
    show();
  });

  function begin() {
    run += 1; // what still runs is not wanted any more
    state = exact = null;
    figure.busy(false);
    worker.postMessage({ run, points: [[0, 0]], alphaBar, steps: 0 });
    figure.redraw();
    const apart = cloud.some(([x, y]) => Math.hypot(x - cloud[0][0], y - cloud[0][1]) > 0.02);
    if (!apart)
      return figure.refuse(
        `The cloud has ${cloud.length === 0 ? "no point" : "one place only"}; draw at least two points that lie apart.`,
      );
    figure.tell(`A cloud of ${cloud.length} points. Press "Train".`);
    return true;
  }

  function train() {
    if (!begin()) return;
    figure.busy(true);
    const noise = ddpmNoise(3);
    // Each drawn point is a small round cloud, so that there is more to learn than a list.
    const points = Array.from({ length: 4000 }, (_, i) => {
      const [x, y] = cloud[i % cloud.length];
      const [a, b] = noise(2);
      return [x + STD * a, y + STD * b];
    });
    worker.postMessage({ run, points, alphaBar, steps: STEPS, batch: BATCH, samples: SAMPLES });
    const fresh = ddpmNoise(2);
    const walk = ddpmWalk(alphaBar, ddpmMixture(cloud, STD).eps, fresh(2 * SAMPLES), fresh, T);
    exact = [...walk].pop().x;
    figure.tell("Training has begun.");
    figure.redraw();
  }

  // How far a sample is from the nearest drawn point, on average.
  function far(x) {
    let sum = 0;
    for (let i = 0; i < x.length; i += 2)
      sum += Math.min(...cloud.map(([a, b]) => Math.hypot(x[i] - a, x[i + 1] - b)));
    return (2 * sum) / x.length;
  }

  function show() {
    const { step, losses, learned } = state;
    const recent = losses.slice(-100);
    figure.tell(
      `Step ${step} of ${STEPS}: loss ${say(recent.reduce((a, b) => a + b, 0) / recent.length)}. A sample of the network is ` +
        `${say(far(learned))} from the nearest point on average, one of the exact denoiser ${say(far(exact))}.`,
    );
    figure.redraw();
  }

  const side = (width) => (width - 20) / 3;
  figure.canvas(
    (brush, width, height, colors) => {
      const wide = side(width);
      pad.style.width = pad.style.height = `${wide}px`;
      const panels = [["your cloud", cloud.flat(), colors.x0], ["the network", state?.learned ?? [], colors.x0hat], ["exact denoiser", exact ?? [], colors.other]];
      panels.forEach(([title, points, color], i) => {
        const box = { left: i * (wide + 10), top: 20, width: wide - 1, height: wide - 1 };
        const { x, y } = axes(brush, box, [-LIMIT, LIMIT], [-LIMIT, LIMIT], colors, { xs: [], ys: [], title });
        brush.fillStyle = color;
        for (let k = 0; k < points.length; k += 2)
          if (Math.abs(points[k]) < LIMIT && Math.abs(points[k + 1]) < LIMIT) brush.fillRect(x(points[k]) - 1.5, y(points[k + 1]) - 1.5, 3, 3);
        if (!points.length) {
          brush.fillStyle = colors.quiet;
          brush.textAlign = "center";
          brush.fillText(i ? "press Train" : "draw here", box.left + wide / 2, box.top + wide / 2);
          brush.textAlign = "left";
        }
        if (i === 0 && document.activeElement === pad) {
          brush.strokeStyle = colors.ink;
          brush.strokeRect(x(cursor[0]) - 4, y(cursor[1]) - 4, 8, 8);
        }
      });
      const box = { left: 34, top: wide + 44, width: width - 44, height: 70 };
      const smooth = (state?.losses ?? []).map((_, i, losses) => {
        const some = losses.slice(Math.max(0, i - 19), i + 1);
        return some.reduce((a, b) => a + b, 0) / some.length;
      });
      const { x, y } = axes(brush, box, [0, STEPS], [0, ddpmFigure.upTo(smooth)], colors, { title: "loss" });
      curve(brush, smooth.map((loss, i) => [x(i + 1), y(loss)]), colors.x0hat);
    },
    (width) => side(width) + 136,
  );

  const pad = figure.make("div", {
    class: "live-pad",
    tabindex: 0,
    role: "application",
    "aria-label": "Plane to draw a cloud on. The arrow keys move, the space bar sets a point.",
  });
  figure.stage.append(pad);
  function add([x, y]) {
    if (cloud.length >= 300) return figure.refuse("The cloud has 300 points; that is as many as this page takes. Clear it to draw another.");
    const last = cloud[cloud.length - 1];
    if (last && Math.hypot(x - last[0], y - last[1]) < 0.06) return;
    cloud.push([x, y]);
    menu.leave();
    begin();
  }
  const draw = (event) => {
    const box = pad.getBoundingClientRect();
    const part = (value) => Math.min(1, Math.max(0, value));
    add([
      (2 * part((event.clientX - box.left) / box.width) - 1) * LIMIT,
      (1 - 2 * part((event.clientY - box.top) / box.height)) * LIMIT,
    ]);
  };
  pad.addEventListener("pointerdown", (event) => (pad.setPointerCapture(event.pointerId), draw(event)));
  pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && draw(event));
  for (const name of ["focus", "blur"]) pad.addEventListener(name, figure.redraw);
  pad.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way && event.key !== " ") return;
    event.preventDefault();
    if (!way) return add([...cursor]);
    cursor = cursor.map((place, axis) => Math.min(2.4, Math.max(-2.4, place + 0.2 * way[axis])));
    figure.aloud(`at ${say(cursor[0], 1)}, ${say(cursor[1], 1)}`);
    figure.redraw();
  });

  figure.button("Train", train);
  figure.button("Clear", () => (menu.leave(), (cloud = []), begin()));
  const given = {
    moons: () => pairs(ddpmClouds.moons(150, ddpmNoise(5))),
    eight: () => pairs(ddpmClouds.eight(150, ddpmNoise(5))),
    roll: () => pairs(ddpmClouds.roll(150, ddpmNoise(5))),
  };
  const pairs = (x) => Array.from({ length: x.length / 2 }, (_, i) => [x[2 * i], x[2 * i + 1]]);
  const take = (name) => ((cloud = given[name]()), begin());
  const menu = figure.examples([["moons", "two moons"], ["eight", "eight Gaussians"], ["roll", "Swiss roll"]], take);
  take((menu.value = "moons"));
});
