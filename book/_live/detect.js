// `{live} detect`: two digits on a strip, and the boxes around connected ink that `detect` of the page finds.

// Boxes [top, left, bottom, right] around ink above -0.6 that touches, also by a corner; a piece of
// fewer than 8 pixels is dust. In the order of their first pixel, row by row.
function ddpmBoxes(values, width) {
  const height = values.length / width;
  const free = Array.from(values, (value) => value > -0.6);
  const boxes = [];
  for (let first = 0; first < free.length; first++) {
    if (!free[first]) continue;
    const [box, stack] = [[height, width, 0, 0], [first]];
    let [count] = [0];
    free[first] = false;
    while (stack.length) {
      const at = stack.pop();
      const [row, column] = [Math.floor(at / width), at % width];
      count += 1;
      box.splice(0, 4, Math.min(box[0], row), Math.min(box[1], column), Math.max(box[2], row + 1), Math.max(box[3], column + 1));
      for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y++)
        for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x++)
          if (free[y * width + x]) {
            free[y * width + x] = false;
            stack.push(y * width + x);
          }
    }
    boxes.push({ box, count });
  }
  // Who counts only the ink *within the box* counts a neighbor's too, as the page does.
  return boxes.map(({ box }) => box).filter(([top, left, bottom, right]) => {
    let ink = 0;
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) ink += values[y * width + x] > -0.6;
    return ink >= 8;
  });
}

if (typeof ddpmFigure !== "undefined")
  ddpmFigure.define("detect", (figure) => {
    const examples = ddpmFigure.model("ddpmDigits", "examples.js");
    const [WIDE, HIGH] = [28, 12];
    const chosen = { gap: 1, pair: 3 };
    const pixels = (count) => `${count} ${count === 1 ? "pixel" : "pixels"}`;
    let strip = [];
    let boxes = [];

    function compute() {
      strip = new Array(WIDE * HIGH).fill(-1);
      const lefts = [Math.floor((WIDE - 16 - chosen.gap) / 2)];
      lefts.push(lefts[0] + 8 + chosen.gap);
      lefts.forEach((left, k) =>
        examples[(chosen.pair + 4 * k) % examples.length].forEach((dots, i) => {
          const at = (2 + Math.floor(i / 8)) * WIDE + left + (i % 8);
          strip[at] = Math.max(strip[at], dots / 8 - 1);
        }),
      );
      boxes = ddpmBoxes(strip, WIDE);
      const found = boxes.length;
      figure.tell(
        `The cells ${chosen.gap > 0 ? `are ${pixels(chosen.gap)} apart` : chosen.gap ? `overlap by ${pixels(-chosen.gap)}` : "touch"}: ${found} piece${found === 1 ? "" : "s"} of connected ink. ` +
          (found === 2 ? "Each digit has a box of its own." : found < 2 ? "To the chain this is one thing, and it has no word for it." : "A digit has come apart."),
      );
      figure.redraw();
    }

    figure.canvas((brush, width, height, colors) => {
      const side = width / WIDE;
      strip.forEach((value, i) => {
        const grey = 255 * (value / 2 + 0.5);
        brush.fillStyle = `rgb(${grey},${grey},${grey})`;
        brush.fillRect((i % WIDE) * side, Math.floor(i / WIDE) * side, side + 0.5, side + 0.5);
      });
      brush.strokeStyle = "#e6b422"; // on black, whatever the page is
      brush.lineWidth = 3;
      for (const [top, left, bottom, right] of boxes) brush.strokeRect(left * side, top * side, (right - left) * side, (bottom - top) * side);
    }, HIGH / WIDE);
    figure.slider("gap", { min: -6, max: 8, value: 1, read: (v) => `${v < 0 ? "−" : ""}${pixels(Math.abs(v))}`, change: (gap) => ((chosen.gap = gap), compute()) });
    figure.button("Other digits", () => ((chosen.pair = (chosen.pair + 1) % 20), compute()));
    compute();
  });
