// `{live} guidance`: words in English or Korean, and the scale w, with the model of
// `ddpm_course/trends/text_to_image.py`.

// The text encoder of `trends/prompts.py`: each word a vector and a score, the prompt their average.
function ddpmPrompt({ words, particles, aliases, weights }) {
  const ids = new Map(words.map((word, i) => [word, i + 1]));

  // Which words of a prompt it knows; an object's particle is no part of a word.
  function read(prompt) {
    const [known, unknown] = [[], []];
    for (const word of prompt.normalize("NFKC").toLowerCase().match(/\p{Nd}+|[\p{L}\p{Nl}\p{No}]+/gu) ?? []) {
      const stem = !ids.has(word) && particles.includes(word.slice(-1)) ? word.slice(0, -1) : word;
      if (ids.has(stem)) known.push(stem);
      else if (stem) unknown.push(word);
    }
    if (!known.length)
      throw new Error(
        `The prompt "${prompt}" has no word that the model knows; ask for a digit, as in "a handwritten three" or "숫자 삼".`,
      );
    return { known, unknown };
  }

  const linear = (name, v) => {
    const [W, b] = [weights[`${name}.weight`], weights[`${name}.bias`]];
    return b.map((bias, o) => v.reduce((sum, value, i) => sum + W[o * v.length + i] * value, bias));
  };

  function encode(prompt) {
    const wide = weights["score.weight"].length;
    const vectors = read(prompt).known.map((word) => weights["vectors.weight"].slice(ids.get(word) * wide, (ids.get(word) + 1) * wide));
    const scores = vectors.map((vector) => Math.exp(linear("score", vector)[0]));
    const total = scores.reduce((a, b) => a + b);
    const mean = Array.from({ length: wide }, (_, i) => vectors.reduce((sum, v, k) => sum + (scores[k] / total) * v[i], 0));
    return linear("out.2", linear("out.0", mean).map((a) => a / (1 + Math.exp(-a))));
  }

  return { read, encode };
}

if (typeof ddpmFigure !== "undefined")
  ddpmFigure.define("guidance", (figure) => {
    const model = ddpmFigure.model("ddpmPainter", "painter.js");
    const prompts = ddpmPrompt(model.encoder);
    const [SIZE, AREA, COUNT] = [8, 64, 8];
    const chosen = { prompt: "a handwritten three", w: 2, seed: 1 };
    let drawn = null;
    let t = 250;

    const service = ddpmService(
      figure,
      (step) => {
        drawn = step.last ? step.x : step.x0;
        t = step.t;
        figure.redraw();
        if (!step.last) return;
        figure.busy(false);
        const { known, unknown } = prompts.read(chosen.prompt);
        // How alike the eight are: the mean over pixels of their standard deviation.
        let apart = 0;
        for (let i = 0; i < AREA; i++) {
          const values = Array.from({ length: COUNT }, (_, k) => drawn[k * AREA + i]);
          const mean = values.reduce((a, b) => a + b) / COUNT;
          apart += Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / COUNT) / AREA;
        }
        figure.tell(
          `Eight pictures for "${chosen.prompt}" with w = ${chosen.w}: a pixel differs by ${ddpmFigure.say(apart / 2)} of full ink among them. ` +
            (chosen.w === 0
              ? "Without guidance it goes by no word: any other words give the same pictures."
              : `It goes by ${known.join(", ")}${unknown.length ? ` and does not know ${unknown.join(", ")}` : ""}.`),
        );
      },
      model,
    );

    function compute() {
      try {
        const one = prompts.encode(chosen.prompt);
        figure.busy(true);
        service.walk({
          seed: chosen.seed,
          count: COUNT,
          method: "multistep",
          options: { steps: 12, eta: 0 },
          guide: { w: chosen.w, condition: Array.from({ length: COUNT }, () => one).flat() },
        });
      } catch (error) {
        service.drop();
        figure.busy(false);
        figure.refuse(error.message, drawn ? "The pictures are of the words before." : "");
      }
    }

    figure.canvas(
      (brush, width) => {
        if (!drawn) return;
        const side = width / 4;
        for (let i = 0; i < COUNT; i++)
          ddpmFigure.picture(brush, drawn.subarray(i * AREA, (i + 1) * AREA), SIZE, (i % 4) * side + 1, Math.floor(i / 4) * side + 1, side - 2);
      },
      (width) => width / 2,
    );
    const words = figure.make("input", { type: "text", value: chosen.prompt, maxlength: 60, autocomplete: "off" });
    words.addEventListener("input", () => given.leave());
    words.addEventListener("change", () => ((chosen.prompt = words.value.trim()), compute()));
    figure.label("words", words);
    const given = figure.examples(["a handwritten three", "number 7", "숫자 삼", "손으로 쓴 숫자 칠", "please draw a handwritten five", "not a seven"].map((text) => [text, text]), (text) => {
      words.value = chosen.prompt = text;
      compute();
    });
    figure.slider("guidance w", { max: 8, step: 0.5, value: 2, read: (w) => w.toFixed(1), change: (w) => ((chosen.w = w), compute()) });
    figure.button("Other noise", () => ((chosen.seed += 1), compute()));
    given.value = chosen.prompt;
    compute();
  });
