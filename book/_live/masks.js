// `{live} masks`: a language of 288 sentences. The page counts what stands behind each mask, and how
// often a sentence comes out right with few calls.

const ddpmMasks = (() => {
  const each = (words) => words.split(" ").map((word) => [word]);
  const pairs = (all, others) => all.flatMap((one) => others.map((other) => [...one, ...other]));
  const one = pairs(each("a this"), each("cat dog bird"));
  const many = pairs(each("two these"), each("cats dogs birds"));
  const sentences = pairs([...pairs(one, each("sees hears")), ...pairs(many, each("see hear"))], [...one, ...many]);
  const known = new Map();

  // For each place the share of each word, among the sentences that have all open words of a row (a mask
  // is null). Where no sentence has all of them: among those that have the most.
  function guess(row) {
    const key = row.join();
    if (known.has(key)) return known.get(key);
    const fit = sentences.map((sentence) => {
      let count = 0;
      for (let i = 0; i < 5; i++) count += sentence[i] === row[i];
      return count;
    });
    const most = Math.max(...fit);
    const near = sentences.filter((_, n) => fit[n] === most);
    const all = row.map(() => ({}));
    for (const sentence of near) sentence.forEach((word, i) => (all[i][word] = (all[i][word] ?? 0) + 1 / near.length));
    known.set(key, all);
    return all;
  }

  // The step back from t, as `masked.sample` takes it: a mask opens with the chance 1/t (`masked.even`).
  function step(row, t, uniform) {
    const all = guess(row);
    return row.map((word, i) => {
      if (word !== null) return word;
      let left = t * uniform();
      return left < 1 ? Object.keys(all[i]).find((value) => (left -= all[i][value]) < 0) ?? Object.keys(all[i]).pop() : null;
    });
  }

  // x_T, ..., x_0
  function walk(row, T, seed) {
    const { uniform } = ddpmNoise(seed);
    const rows = [row];
    for (let t = T; t > 0; t--) rows.push(step(rows[T - t], t, uniform));
    return rows;
  }

  // The chance that 1, 2, ..., most calls make a sentence of a row: the sum over all sentences, and over all
  // orders in which their words can open. A state is a number; it has a bit for each word that has opened.
  function right(row, most) {
    const hidden = row.flatMap((word, i) => (word === null ? [i] : []));
    const states = Array.from({ length: 2 ** hidden.length }, (_, state) => state);
    const bits = (set) => hidden.filter((_, k) => (set >> k) & 1);
    const moves = states.flatMap((open) =>
      states.filter((after) => (after & open) === open).map((after) => ({ open, after, fresh: bits(after & ~open), waits: bits(~after).length })),
    );
    const often = Array.from({ length: most }, (_, n) => moves.map(({ fresh, waits }) => n ** waits / (n + 1) ** (fresh.length + waits)));
    const sum = new Array(most).fill(0);
    for (const sentence of sentences) {
      if (row.some((word, i) => word !== null && word !== sentence[i])) continue;
      const said = states.map((open) => {
        const seen = [...row];
        for (const i of bits(open)) seen[i] = sentence[i];
        return guess(seen).map((share, i) => share[sentence[i]]);
      });
      const chances = moves.map(({ open, fresh }) => fresh.reduce((chance, i) => chance * said[open][i], 1));
      let ways = states.map((state) => Number(state === states.length - 1)); // with no call left all is open
      often.forEach((weights, n) => {
        const next = states.map(() => 0);
        for (let m = 0; m < moves.length; m++) next[moves[m].open] += ways[moves[m].after] * chances[m] * weights[m];
        ways = next;
        sum[n] += ways[0];
      });
    }
    return sum;
  }

  // Open words that some of the nearest sentences lack.
  const misfits = (row) => guess(row).map((share, i) => row[i] !== null && !(share[row[i]] > 1 - 1e-9));

  return { sentences, guess, step, walk, right, misfits };
})();

if (typeof ddpmFigure !== "undefined")
  ddpmFigure.define("masks", (figure) => {
    const MOST = 16;
    const GIVEN = ["mask mask mask mask mask", "mask mask see mask mask", "mask mask see mask dog"];
    const chosen = { given: 0, T: 2, call: 2, seed: 38 }; // there two words that open together do not fit
    const percent = (share) => `${Math.round(100 * share)} %`;
    let [rows, right] = [[], []];

    const start = () => GIVEN[chosen.given].split(" ").map((word) => (word === "mask" ? null : word));
    const text = (row) => row.map((word) => word ?? "mask").join(" ");
    function compute() {
      right = ddpmMasks.right(start(), MOST);
      draw();
    }
    function draw() {
      rows = ddpmMasks.walk(start(), chosen.T, chosen.seed);
      show();
    }
    const pair = () => rows.slice(chosen.call - 1, chosen.call + 1);

    // One line a place that is masked: words that are as likely as each other stand together.
    function guesses(row) {
      return ddpmMasks.guess(row).flatMap((share, i) => {
        if (row[i] !== null) return [];
        const groups = new Map();
        for (const [word, chance] of Object.entries(share)) groups.set(percent(chance), [...(groups.get(percent(chance)) ?? []), word]);
        return [`place ${i + 1}: ${[...groups].map(([chance, words]) => `${words.join("/")} ${chance}`).join(", ")}`];
      });
    }
    function show() {
      const [before, after] = pair();
      const wrong = after.filter((_, i) => ddpmMasks.misfits(after)[i]);
      const lines = guesses(before);
      figure.tell(
        `Call ${chosen.call} of ${chosen.T}. Before: ${text(before)}. ` +
          (lines.length ? `The guess of ${lines.join("; ")}. ` : "Nothing is left to guess. ") +
          `After: ${text(after)}. ` +
          (wrong.length ? `No sentence has all these words: look at ${wrong.join(", ")}. ` : "") +
          `Of all that is written with ${chosen.T} call${chosen.T > 1 ? "s" : ""}, ${percent(right[chosen.T - 1])} is right.`,
      );
      figure.redraw();
    }

    const LINE = 18;
    figure.canvas((brush, width, height, colors) => {
      const [before, after] = pair();
      const wide = width / 5;
      const t = chosen.T - chosen.call + 1;
      const title = (text, top) => {
        brush.textAlign = "left";
        brush.fillStyle = colors.ink;
        ddpmFigure.spell(brush, text, 2, top);
      };
      function boxes(row, top, fresh) {
        const wrong = ddpmMasks.misfits(row);
        brush.textAlign = "center";
        row.forEach((word, i) => {
          const [left, middle] = [i * wide + 2, (i + 0.5) * wide];
          brush.globalAlpha = 0.3;
          brush.fillStyle = colors.quiet;
          if (word === null) brush.fillRect(left, top, wide - 4, 28);
          brush.globalAlpha = 1;
          brush.strokeStyle = fresh[i] ? colors.other : colors.quiet;
          brush.lineWidth = fresh[i] ? 3 : 1;
          brush.strokeRect(left, top, wide - 4, 28);
          brush.fillStyle = colors.ink;
          brush.fillText(word ?? "mask", middle, top + 18);
          if (wrong[i]) ddpmFigure.curve(brush, [[left + 8, top + 23], [left + wide - 12, top + 23]], colors.xt, 3);
        });
      }
      title(`before: x_${t}, and the guess behind each mask`, 14);
      boxes(before, 22, []);
      ddpmMasks.guess(before).forEach((share, i) => {
        if (before[i] !== null) return;
        Object.entries(share).forEach(([word, chance], k) => {
          const [left, top] = [i * wide + 2, 56 + LINE * k];
          brush.globalAlpha = 0.4;
          brush.fillStyle = colors.x0hat;
          brush.fillRect(left, top, (wide - 4) * chance, LINE - 2);
          brush.globalAlpha = 1;
          brush.fillStyle = colors.ink;
          brush.textAlign = "left";
          brush.fillText(word, left + 3, top + 12);
          brush.textAlign = "right";
          if (wide > 95) brush.fillText(percent(chance), left + wide - 8, top + 12);
        });
      });
      const low = 56 + 6 * LINE;
      title(`after: x_${t - 1}`, low + 18);
      boxes(after, low + 26, after.map((word, i) => word !== before[i]));
      const box = { left: 34, top: low + 92, width: width - 44, height: 84 };
      const { x, y } = ddpmFigure.axes(brush, box, [1, MOST], [0, 1], colors, {
        xs: [1, 4, 8, 12], ys: [0, 0.5, 1], title: "share of right sentences, by calls", below: `${MOST} calls`,
      });
      const dots = right.map((share, n) => [x(n + 1), y(share)]);
      ddpmFigure.curve(brush, dots, colors.quiet);
      dots.forEach(([a, b], n) => {
        brush.fillStyle = n + 1 === chosen.T ? colors.other : colors.quiet;
        brush.beginPath();
        brush.arc(a, b, n + 1 === chosen.T ? 6 : 2.5, 0, 7);
        brush.fill();
      });
    }, () => 56 + 6 * LINE + 196);

    figure.slider("calls in all, T", {
      min: 1, max: MOST, value: chosen.T,
      change: (T) => {
        player.stop();
        calls.max = chosen.T = chosen.call = T; // at its end, where the result is
        calls.set(T);
        draw();
      },
    });
    const calls = figure.slider("this call", {
      min: 1, max: chosen.T, value: chosen.call, read: (call) => `${call} of ${chosen.T}`,
      change: (call) => ((chosen.call = call), show()),
    });
    const player = figure.player(calls, 900);
    figure.menu("given", GIVEN.map((text, n) => [n, text]), (n) => ((chosen.given = Number(n)), compute()), chosen.given);
    figure.seed(chosen, draw);
    compute();
  });
