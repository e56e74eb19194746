// `{live} rank`: a table of 8 by 8 numbers, written with few: B A with r columns and r rows.

// The best approximation of rank r: the r largest terms of Σ σ_k u_k v_kᵀ, one after the other by
// power iteration (multiply by MᵀM until the direction stays).
function ddpmRank(matrix, size, rank) {
  const rest = Float64Array.from(matrix);
  const sum = new Float64Array(size * size);
  for (let k = 0; k < rank; k++) {
    let v = Float64Array.from({ length: size }, (_, i) => 1 + 0.1 * Math.sin(7 * i + k));
    let u = new Float64Array(size);
    for (let turn = 0; turn < 500; turn++) {
      u = u.map((_, i) => v.reduce((total, value, j) => total + rest[i * size + j] * value, 0));
      const w = v.map((_, j) => u.reduce((total, value, i) => total + rest[i * size + j] * value, 0));
      const length = Math.hypot(...w);
      if (length < 1e-12) break;
      v = w.map((value) => value / length);
    }
    u = u.map((_, i) => v.reduce((total, value, j) => total + rest[i * size + j] * value, 0));
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) {
        sum[i * size + j] += u[i] * v[j];
        rest[i * size + j] -= u[i] * v[j];
      }
  }
  return sum;
}

if (typeof ddpmFigure !== "undefined")
  ddpmFigure.define("rank", (figure) => {
    const examples = ddpmFigure.model("ddpmDigits", "examples.js");
    const chosen = { rank: 2, example: 2 };
    let [table, near] = [[], []];
    function compute() {
      table = examples[chosen.example].map((dots) => dots / 8);
      near = ddpmRank(table, 8, chosen.rank);
      const square = (values) => values.reduce((sum, v) => sum + v * v, 0);
      const lost = square(table.map((v, i) => v - near[i])) / square(table);
      figure.tell(`Rank ${chosen.rank}: two tables with ${16 * chosen.rank} numbers stand for one with 64, and ${Math.round(100 * lost)} % of it is lost.`);
      figure.redraw();
    }
    figure.canvas((brush, width, height, colors) => {
      const side = height - 24;
      [["64 numbers", table], [`${16 * chosen.rank} numbers`, near]].forEach(([title, values], i) => {
        brush.fillStyle = colors.ink;
        brush.fillText(title, i * (side + 24), 14);
        ddpmFigure.picture(brush, values, 8, i * (side + 24), 20, side, { smooth: false, from: 0, to: 2 });
      });
    }, (width) => Math.min(240, (width - 24) / 2) + 24);
    figure.slider("rank r", { min: 1, max: 8, value: 2, change: (rank) => ((chosen.rank = rank), compute()) });
    figure.button("Another table", () => ((chosen.example = (chosen.example + 1) % 20), compute()));
    compute();
  });
