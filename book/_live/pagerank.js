// `{live} pagerank`: six papers; set who cites whom, and see who counts.

// r = d Pᵀ r + (1 - d) / n: follow citations, and now and then begin anew. Who cites nobody, jumps.
function ddpmPageRank(cites, damping = 0.85) {
  const n = cites.length;
  let rank = new Array(n).fill(1 / n);
  for (let turn = 0; turn < 300; turn++) {
    const next = new Array(n).fill((1 - damping) / n);
    cites.forEach((row, i) => {
      const count = row.filter(Boolean).length;
      row.forEach((cited, j) => {
        next[j] += damping * rank[i] * (count ? (cited ? 1 / count : 0) : 1 / n);
      });
    });
    rank = next;
  }
  return rank;
}

if (typeof ddpmFigure !== "undefined")
  ddpmFigure.define("pagerank", (figure) => {
    const { arrow, say } = ddpmFigure;
    const N = 6;
    const name = (i) => "ABCDEF"[i];
    const cites = Array.from({ length: N }, () => new Array(N).fill(false));
    for (const [i, j] of ["BA", "CA", "CB", "DB", "EB", "ED", "FE"].map((pair) => [...pair].map((c) => "ABCDEF".indexOf(c)))) cites[i][j] = true;
    let rank = [];
    function compute() {
      rank = ddpmPageRank(cites);
      const order = rank.map((_, i) => i).sort((a, b) => rank[b] - rank[a]);
      figure.tell(`Rank: ${order.map((i) => `${name(i)} ${say(rank[i])}`).join(", ")}.`);
      figure.redraw();
    }
    figure.canvas((brush, width, height, colors) => {
      const [cx, cy, r] = [width / 2, height / 2, height / 2 - 40];
      const at = (i) => [cx + 1.6 * r * Math.cos((i * Math.PI) / 3), cy - r * Math.sin((i * Math.PI) / 3)];
      const big = (i) => 8 + 70 * rank[i];
      cites.forEach((row, i) =>
        row.forEach((cited, j) => {
          if (!cited) return;
          const [[x1, y1], [x2, y2]] = [at(i), at(j)];
          const far = Math.hypot(x2 - x1, y2 - y1);
          const part = (from) => [x1 + ((x2 - x1) * from) / far, y1 + ((y2 - y1) * from) / far];
          arrow(brush, part(big(i)), part(far - big(j) - 2), colors.quiet, 1.8);
        }),
      );
      brush.textAlign = "center";
      for (let i = 0; i < N; i++) {
        brush.fillStyle = colors.x0;
        brush.beginPath();
        brush.arc(...at(i), big(i), 0, 7);
        brush.fill();
        brush.fillStyle = colors.paper;
        brush.fillText(name(i), at(i)[0], at(i)[1] + 5);
      }
    }, (width) => Math.max(220, Math.min(300, 0.45 * width)));
    let [from, to] = [5, 0];
    const papers = Array.from({ length: N }, (_, i) => [i, name(i)]);
    figure.menu("paper", papers, (i) => ((from = Number(i)), compute()), from);
    figure.menu("cites", papers, (j) => ((to = Number(j)), compute()), to);
    figure.button("Add or take away", () => {
      if (from === to) return figure.refuse(`${name(from)} cannot cite itself; choose two papers.`);
      cites[from][to] = !cites[from][to];
      compute();
    });
    compute();
  });
