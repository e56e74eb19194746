// Draw your own digit, 8 by 8: `{live} pad MODE`. The mode says what becomes of it:
//     noise   the jump to t (marginal)            back    the way home from t (reverse)
//     loss    the network's error at t (loss)     judge   its error beside that on real digits (evaluation)
ddpmFigure.define("pad", (figure, mode) => {
  const { picture, axes, say, spell } = ddpmFigure;
  const SIZE = 8;
  const AREA = SIZE * SIZE;
  const examples = ddpmFigure.model("ddpmDigits", "examples.js").map((ink) => ink.map((dots) => dots / 16));
  const alphaBar = ddpmSchedules.alphaBar(ddpmSchedules.cosine(250));
  const T = 250;
  const TIMES = Array.from({ length: 12 }, (_, i) => Math.round((T * (i + 0.5)) / 12));
  const chosen = { t: { noise: 80, back: 120, loss: 80 }[mode] ?? 0, seed: 1, example: 3 };
  let ink = Float64Array.from(examples[chosen.example]); // 0 none, 1 full
  let cursor = [4, 4]; // column and row, for the keys
  let result = null; // what was computed last; it stays until the next is there
  let begun = false; // whether the way home that we hear of has begun
  const judged = []; // the loss of each example
  const service = mode === "noise" ? null : ddpmService(figure, hear);

  const x0 = () => ink.map((value) => 2 * value - 1);
  const empty = () => ink.every((value) => value < 0.05);
  // x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε
  const jump = (clean, t, eps) => clean.map((v, i) => Math.sqrt(alphaBar[t]) * v + Math.sqrt(1 - alphaBar[t]) * eps[i]);
  const noiseAt = (number) => ddpmNoise(1000 * chosen.seed + number)(AREA);
  const meanSquare = (a, b) => a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length;

  // The network's loss at these steps on one clean picture, with noises that are the same for all.
  function askLoss(clean, times) {
    const all = times.map((t, i) => noiseAt(i + 1));
    const x = Float32Array.from(times.flatMap((t, i) => [...jump(clean, t, all[i])]));
    service.eps({ x, t: times });
    return all;
  }
  let asked = null;
  let mine = null;

  function judge(clean, own) {
    const times = [...TIMES, ...TIMES];
    asked = { own, noises: askLoss(clean, times) };
  }

  function compute() {
    begun = false;
    service?.drop();
    if (empty()) {
      result = null;
      figure.reveal();
      figure.busy(false);
      figure.redraw();
      return figure.refuse("The drawing is empty: draw with the mouse, with a finger, or with the arrow keys and the space bar.");
    }
    const clean = x0();
    const { t } = chosen;
    figure.busy(mode !== "noise");
    if (mode === "noise") {
      const [signal, noise] = [Math.sqrt(alphaBar[t]), Math.sqrt(1 - alphaBar[t])];
      result = { x: jump(clean, t, noiseAt(0)) };
      figure.tell(`At t = ${t} the noised picture is ${say(signal)} times yours and ${say(noise)} times noise${t ? `; the ratio of their variances is ${say(alphaBar[t] / (1 - alphaBar[t]))}.` : "."}`);
    } else if (mode === "back") {
      const x = jump(clean, t, noiseAt(0));
      if (t === 0) {
        result = { x, ways: [] };
        figure.busy(false);
        figure.tell("t = 0: nothing has been noised, and there is no way to go back.");
      } else
        service.walk({ seed: chosen.seed, count: 4, x: Float32Array.from([...x, ...x, ...x, ...x]), method: "multistep", options: { steps: Math.min(20, t), from: t } });
    } else if (mode === "loss") {
      const times = [...new Array(12).fill(t), ...TIMES, ...TIMES];
      asked = { times, noises: askLoss(clean, times), x: null };
      asked.x = jump(clean, t, asked.noises[0]);
    } else judge(clean, true);
    figure.redraw();
  }

  function hear(answer) {
    if (mode === "back") {
      if (!begun) result = { x: answer.x.slice(0, AREA), guess: answer.x0.slice(0, AREA) };
      begun = true;
      if (!answer.last) return;
      result.ways = Array.from({ length: 4 }, (_, i) => answer.x.slice(i * AREA, (i + 1) * AREA));
      const far = result.ways.reduce((sum, way) => sum + Math.sqrt(meanSquare(way, x0())), 0) / 4;
      figure.tell(`Noised to t = ${chosen.t}, then brought back four times, each with its own fresh noise: a pixel is ${say(far / 2)} of full ink away from your picture on average.`);
    } else {
      const losses = asked.noises.map((eps, i) => meanSquare(eps, answer.eps.subarray(i * AREA, (i + 1) * AREA)));
      const mean = (some) => some.reduce((sum, v) => sum + v, 0) / some.length;
      if (mode === "loss") {
        const curve = TIMES.map((_, i) => (losses[12 + i] + losses[24 + i]) / 2);
        result = { x: asked.x, eps: asked.noises[0], guess: answer.eps.slice(0, AREA), loss: mean(losses.slice(0, 12)), curve };
        figure.tell(`At t = ${chosen.t} the loss on your picture is ${say(result.loss)}, the mean over twelve noises and all pixels.`);
      } else {
        if (asked.own) mine = mean(losses);
        else judged.push(mean(losses));
        verdict();
        if (judged.length < examples.length) return judge(examples[judged.length].map((v) => 2 * v - 1), false);
      }
    }
    figure.busy(false);
    figure.redraw();
  }
  function verdict() {
    const higher = judged.filter((loss) => loss < mine).length;
    figure.tell(
      `The mean loss on your picture is ${say(mine, 3)}: higher than on ${higher} of ${judged.length} real digits` +
        (judged.length < examples.length ? " so far." : higher === judged.length ? ". To the model it is no digit." : ". To the model it may be a digit."),
    );
    figure.redraw();
  }

  // -- the picture ----------------------------------------------------------------------------

  // Beside two pictures stand the names of their two factors.
  const wide = (width) => Math.floor(Math.min(220, 0.38 * width, mode === "noise" ? (width - 104) / 2 : width));
  figure.canvas(
    (brush, width, height, colors) => {
      const side = wide(width);
      pad.style.width = pad.style.height = `${side}px`;
      const mark = (text, left, color = colors.ink) => ((brush.fillStyle = color), spell(brush, text, left, 14));
      mark("your x_0", 0, colors.x0);
      picture(brush, ink, SIZE, 0, 20, side, { smooth: false, from: 0 });
      if (document.activeElement === pad) {
        brush.strokeStyle = colors.xt;
        brush.lineWidth = 2;
        brush.strokeRect((cursor[0] * side) / SIZE, 20 + (cursor[1] * side) / SIZE, side / SIZE, side / SIZE);
      }
      const left = side + 16;
      const room = width - left;
      if (!result && mode !== "judge") return;
      if (mode === "noise") {
        mark(`x_t, t = ${chosen.t}`, left, colors.thin);
        picture(brush, result.x, SIZE, left, 20, side, { smooth: false });
        const third = left + side + 16;
        const bar = Math.max(0, width - third);
        for (const [row, name, value, color] of [[0, "√ᾱ_t", Math.sqrt(alphaBar[chosen.t]), colors.x0], [1, "√(1 − ᾱ_t)", Math.sqrt(1 - alphaBar[chosen.t]), colors.eps]]) {
          brush.fillStyle = color;
          brush.fillRect(third, 46 + 50 * row, bar * value, 14);
          brush.fillStyle = colors.ink;
          spell(brush, name, third, 40 + 50 * row);
        }
      } else if (mode === "back") {
        const small = Math.min((side - 16) / 2, (room - 16) / 3);
        mark("x_t", left, colors.thin);
        picture(brush, result.x, SIZE, left, 20, small, { smooth: false });
        if (result.guess) {
          mark("x̂_0", left + small + 8, colors.x0hat);
          picture(brush, result.guess, SIZE, left + small + 8, 20, small);
        }
        // The first way back beside the guess, the others below.
        (result.ways ?? []).forEach((way, i) => {
          const [column, row] = i === 0 ? [2, 0] : [(i - 1) % 3, 1];
          picture(brush, way, SIZE, left + column * (small + 8), 20 + row * (small + 8), small);
        });
        if (result.ways?.length) mark("back", left + 2 * (small + 8), colors.x0);
      } else if (mode === "loss") {
        const small = Math.min((side - 24) / 2, (room - 24) / 4);
        [["x_t", result.x, colors.thin], ["ε", result.eps, colors.eps], ["ε̂", result.guess, colors.eps], ["(ε−ε̂)²", result.eps.map((v, i) => (v - result.guess[i]) ** 2), colors.ink]].forEach(([name, values, color], i) => {
          mark(name, left + i * (small + 8), color);
          const range = i === 0 ? {} : i === 3 ? { from: 0, to: 4 } : { from: -3, to: 3 };
          picture(brush, values, SIZE, left + i * (small + 8), 20, small, { smooth: false, ...range });
        });
        const box = { left: left + 24, top: small + 44, width: room - 32, height: Math.max(40, height - small - 66) };
        const { x, y } = axes(brush, box, [1, T], [0, ddpmFigure.upTo([...result.curve, result.loss])], colors, { title: "loss at each t" });
        ddpmFigure.curve(brush, TIMES.map((t, i) => [x(t), y(result.curve[i])]), colors.quiet);
        brush.fillStyle = colors.xt;
        brush.beginPath();
        brush.arc(x(Math.max(1, chosen.t)), y(result.loss), 5, 0, 7);
        brush.fill();
      } else {
        const most = Math.max(0.5, ...judged, mine ?? 0);
        const box = { left: left + 6, top: 60, width: room - 24, height: Math.min(70, side - 60) };
        const { x } = axes(brush, box, [0, most], [0, 1], colors, { ys: [], xs: [0, Number(say(most).replace("−", "-"))], title: "mean loss" });
        brush.globalAlpha = 0.6;
        brush.fillStyle = colors.quiet;
        judged.forEach((loss, i) => brush.fillRect(x(loss) - 2, box.top + box.height * (0.35 + 0.3 * ((i % 5) / 4)), 5, 5));
        brush.globalAlpha = 1;
        if (mine !== null && !empty()) {
          brush.fillStyle = colors.x0;
          brush.beginPath();
          brush.arc(x(mine), box.top + box.height / 2, 7, 0, 7);
          brush.fill();
        }
      }
    },
    (width) => wide(width) + 24,
  );

  // -- the hand -------------------------------------------------------------------------------

  const pad = figure.make("div", {
    class: "live-pad",
    tabindex: 0,
    role: "application",
    "aria-label": "Drawing pad, 8 by 8 pixels. The arrow keys move, the space bar draws or rubs out.",
  });
  figure.stage.append(pad);

  // A soft pen: full ink within half a pixel, none beyond one and a quarter.
  function stroke(column, row) {
    for (let i = 0; i < AREA; i++) {
      const far = Math.hypot((i % SIZE) + 0.5 - column, Math.floor(i / SIZE) + 0.5 - row);
      ink[i] = Math.max(ink[i], Math.min(1, Math.max(0, (1.25 - far) / 0.75)));
    }
    compute();
  }
  const draw = (event) => {
    figure.reveal();
    const box = pad.getBoundingClientRect();
    stroke(((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE);
  };
  pad.addEventListener("pointerdown", (event) => (pad.setPointerCapture(event.pointerId), draw(event)));
  pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && draw(event));
  for (const name of ["focus", "blur"]) pad.addEventListener(name, figure.redraw);
  pad.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way && event.key !== " ") return;
    event.preventDefault();
    figure.reveal();
    if (way) {
      cursor = cursor.map((place, axis) => Math.min(SIZE - 1, Math.max(0, place + way[axis])));
      figure.aloud(`column ${cursor[0] + 1}, row ${cursor[1] + 1}, ${Math.round(100 * ink[cursor[1] * SIZE + cursor[0]])} % ink`);
      return figure.redraw();
    }
    const at = cursor[1] * SIZE + cursor[0];
    ink[at] = ink[at] > 0.5 ? 0 : 1;
    compute();
  });

  if (mode !== "judge")
    figure.slider("t", { min: mode === "loss" ? 1 : 0, max: T, value: chosen.t, change: (t) => ((chosen.t = t), compute()) });
  figure.button("Clear", () => (ink.fill(0), compute()));
  figure.button("A real digit", () => {
    chosen.example = (chosen.example + 1) % examples.length;
    ink = Float64Array.from(examples[chosen.example]);
    compute();
  });
  if (mode !== "judge") figure.button("Other noise", () => ((chosen.seed += 1), compute()));
  compute();
});
