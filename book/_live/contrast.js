// `{live} contrast`: pictures and texts as directions in the plane, and the loss that pulls pairs together.

// -1/2N Σ_i (log e^{s_ii} / Σ_j e^{s_ij} + log e^{s_ii} / Σ_j e^{s_ji})
function ddpmContrast(s) {
  const logSum = (values) => {
    const most = Math.max(...values);
    return most + Math.log(values.reduce((sum, v) => sum + Math.exp(v - most), 0));
  };
  return -s.reduce((sum, row, i) => sum + 2 * row[i] - logSum(row) - logSum(s.map((one) => one[i])), 0) / (2 * s.length);
}

if (typeof ddpmFigure !== "undefined")
  ddpmFigure.define("contrast", (figure) => {
    const { arrow, say } = ddpmFigure;
    const NAMES = ["zero", "three", "seven", "nine"];
    const pictures = [20, 110, 200, 290].map((degrees) => (degrees * Math.PI) / 180);
    const texts = [50, 70, 230, 260].map((degrees) => (degrees * Math.PI) / 180);
    let heat = 1;

    const fit = () => pictures.map((a) => texts.map((b) => Math.cos(a - b)));
    function show() {
      const s = fit().map((row) => row.map((value) => value / heat));
      const right = s.filter((row, i) => row.indexOf(Math.max(...row)) === i).length;
      figure.tell(`The loss is ${say(ddpmContrast(s))}; who can only guess has ${say(Math.log(4))}. ${right} of 4 pictures find their own text.`);
      figure.redraw();
    }

    const side = (width) => Math.min(300, 0.52 * width);
    figure.canvas((brush, width, height, colors) => {
      const R = side(width) / 2;
      const at = (angle, part = 0.8) => [R + part * R * Math.cos(angle), R - part * R * Math.sin(angle)];
      brush.strokeStyle = colors.quiet;
      brush.beginPath();
      brush.arc(R, R, 0.8 * R, 0, 7);
      brush.stroke();
      brush.textAlign = "center";
      pictures.forEach((angle, i) => {
        arrow(brush, [R, R], at(angle), colors.quiet);
        arrow(brush, [R, R], at(texts[i]), colors.other);
        brush.fillStyle = colors.ink;
        brush.fillText(NAMES[i], ...at(angle, 0.45));
      });
      // Each row a picture: the share that softmax gives to each text.
      const cell = Math.min((width - 2 * R - 66) / 4, (2 * R - 54) / 4);
      fit().forEach((row, i) => {
        const all = row.map((value) => Math.exp((value - 1) / heat));
        const sum = all.reduce((a, b) => a + b);
        all.forEach((value, j) => {
          brush.globalAlpha = value / sum;
          brush.fillStyle = colors.other;
          brush.fillRect(2 * R + 56 + j * cell, 24 + i * cell, cell - 2, cell - 2);
          brush.globalAlpha = 1;
          brush.strokeStyle = colors.quiet;
          brush.strokeRect(2 * R + 56 + j * cell, 24 + i * cell, cell - 2, cell - 2);
        });
        brush.fillStyle = colors.ink;
        brush.textAlign = "right";
        brush.fillText(NAMES[i], 2 * R + 50, 24 + (i + 0.6) * cell);
      });
      ddpmFigure.legend(brush, 2 * R + 8, 34 + 4 * cell, [["picture", colors.quiet], ["text", colors.other]], colors);
    }, side);
    const round = () => side(figure.stage.clientWidth || 600) / 2;
    const handles = NAMES.map((name, i) =>
      figure.handle(`The text "${name}"`, [0.5, 0.5], ([x, y]) => {
        const [R, box] = [round(), figure.stage];
        texts[i] = Math.atan2(R - y * box.clientHeight, x * box.clientWidth - R);
        settle();
        show();
      }, "other"),
    );
    function settle() {
      const [R, box] = [round(), figure.stage];
      handles.forEach(({ place }, i) => place([(R + 0.88 * R * Math.cos(texts[i])) / box.clientWidth, (R - 0.88 * R * Math.sin(texts[i])) / box.clientHeight]));
    }
    new ResizeObserver(settle).observe(figure.stage);
    figure.slider("fit divided by", { min: 0.05, max: 2, step: 0.05, value: 1, read: (v) => say(v), change: (v) => ((heat = v), show()) });
    show();
  });
