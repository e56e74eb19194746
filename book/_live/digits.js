// Digits out of noise, drawn by the shipped model in the page: `{live} digits` and `{live} sampler`.
(() => {
  // In a worker, so that the page never waits. It has the source of the functions that it needs.
  function work(network, samplers) {
    let model, net, walks;
    let wanted = 0;
    onmessage = async ({ data }) => {
      try {
        if (data.model) {
          model = data.model;
          net = network(model);
          walks = samplers(model.beta);
          return;
        }
        const { id, seed, count, method, steps, eta } = data;
        wanted = id;
        const noise = walks.noiseOf(seed);
        const area = model.config.size ** 2;
        const eps = (x, t) => net.eps(x, new Array(count).fill(t));
        const walk = walks[method](eps, noise(count * area), noise, { steps, eta });
        for (const { t, x, x0 } of walk) {
          postMessage({ id, t, x, x0, last: t === 0 });
          await new Promise((resume) => setTimeout(resume)); // hear whether others are wanted
          if (wanted !== id) return;
        }
      } catch (error) {
        postMessage({ error: error.message });
      }
    };
  }

  function start(root) {
    const full = root.dataset.live === "sampler";
    const count = full ? 5 : 16;
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    const say = (words) => {
      root.insertAdjacentHTML("beforeend", '<p class="live-error" role="alert"></p>');
      root.lastElementChild.textContent = words;
    };
    if (!window.ddpmModel)
      return say("The file of the model, _static/live/model.js, is missing: build the book again.");

    let worker;
    try {
      const source = `(${work})(${ddpmNetwork}, ${ddpmSamplers})`;
      worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    } catch {
      return say("This browser runs no workers, so the model cannot draw here; another one can.");
    }
    const { beta, config } = window.ddpmModel;
    const { alphaBar } = ddpmSamplers(beta);
    worker.postMessage({ model: window.ddpmModel });

    const menu = (name, label, values) =>
      `<label><span>${label}</span><select name="${name}">${values
        .map(([value, words]) => `<option value="${value}">${words}</option>`)
        .join("")}</select></label>`;
    const rows = full ? ["x_t", "x̂_0", "ε̂"] : ["x_t"];
    root.innerHTML =
      rows
        .map(
          (row, i) =>
            `<div class="live-row">${full ? `<span>${row}</span>` : ""}<canvas role="img" aria-label="The model is starting." data-row="${i}"></canvas></div>`,
        )
        .join("") +
      `<form class="live-settings">
        <label class="live-wide"><span>step</span><input name="frame" type="range" min="0" max="0" value="0"></label>
        <output aria-live="off"></output>
        <button type="button" name="play">Pause</button>
        <button type="button" name="others">Draw others</button>
        ${
          full
            ? menu("method", "sampler", [["ddim", "DDIM"], ["ancestral", "ancestral, 250 steps"]]) +
              menu("steps", "steps", [[25, 25], [5, 5], [10, 10], [50, 50], [100, 100]]) +
              menu("eta", "η", [[0, "0"], [0.5, "0.5"], [1, "1"]])
            : ""
        }
        <label><span>seed</span><input name="seed" type="number" min="0" max="999999" value="${full ? 3 : 2}"></label>
      </form><p class="live-said" role="status"></p>`;
    const form = root.querySelector("form");
    const { frame: slider, play, others, seed, method, steps, eta } = form.elements;
    const output = form.querySelector("output");
    const said = root.querySelector(".live-said");
    const canvases = [...root.querySelectorAll("canvas")];

    let frames = [];
    let id = 0;
    let playing = true;
    let clock = null;
    const tile = document.createElement("canvas");
    tile.width = tile.height = config.size;
    const SIDE = 96; // dots a digit
    const columns = full ? count : 4;
    for (const canvas of canvases) {
      canvas.width = columns * SIDE;
      canvas.height = Math.ceil(count / columns) * SIDE;
    }

    function paint(canvas, values) {
      const brush = canvas.getContext("2d");
      const small = tile.getContext("2d");
      const area = config.size ** 2;
      brush.imageSmoothingQuality = "high";
      for (let i = 0; i < count; i++) {
        const picture = small.createImageData(config.size, config.size);
        for (let pixel = 0; pixel < area; pixel++) {
          const grey = ((values[i * area + pixel] + 1) / 2) * 255; // clamped by the array
          picture.data.set([grey, grey, grey, 255], 4 * pixel);
        }
        small.putImageData(picture, 0, 0);
        const [left, top] = [(i % columns) * SIDE, Math.floor(i / columns) * SIDE];
        brush.drawImage(tile, left + 1, top + 1, SIDE - 2, SIDE - 2);
      }
    }

    function show(place) {
      const frame = frames[place];
      if (!frame) return;
      const { t, x, x0 } = frame;
      const spread = Math.sqrt(1 - alphaBar[t]) || 1;
      // The noise that the network sees: what is left of x_t without √ᾱ_t x̂_0; shown at a third.
      const seen = [x, x0, full && x.map((v, i) => (v - Math.sqrt(alphaBar[t]) * x0[i]) / spread / 3)];
      const words = {
        "x_t": t ? `${count} pictures on the way from noise to digits, at t = ${t}` : `${count} digits, drawn just now by the model from seed ${seed.value}`,
        "x̂_0": `The clean digits that the model guesses from the noise at t = ${t}`,
        "ε̂": `The noise that the model guesses at t = ${t}`,
      };
      rows.forEach((row, i) => {
        paint(canvases[i], seen[i]);
        canvases[i].setAttribute("aria-label", words[row]);
      });
      slider.value = place;
      slider.setAttribute("aria-valuetext", `t = ${t}`);
      output.textContent = `t = ${t}`;
    }

    function stop() {
      playing = false;
      play.textContent = "Play";
      clearTimeout(clock);
      clock = null;
    }

    function tick() {
      clock = null;
      const place = Number(slider.value);
      if (!playing) return;
      if (frames[place]?.last) {
        stop();
        said.textContent = canvases[0].getAttribute("aria-label");
      } else if (frames[place + 1]) {
        show(place + 1);
        clock = setTimeout(tick, full && method.value === "ancestral" ? 40 : 130);
      }
    }

    function draw() {
      const number = Number(seed.value);
      if (seed.value === "" || !Number.isInteger(number) || number < 0 || number > 999999) {
        said.textContent = `The seed is "${seed.value}"; give a whole number from 0 to 999999.`;
        said.classList.add("live-error");
        return;
      }
      said.classList.remove("live-error");
      frames = [];
      slider.value = slider.max = 0;
      stop();
      playing = !still.matches;
      play.textContent = playing ? "Pause" : "Play";
      id += 1;
      worker.postMessage({
        id,
        seed: number,
        count,
        method: full ? method.value : "ddim",
        steps: full ? Number(steps.value) : 25,
        eta: full ? Number(eta.value) : 0,
      });
    }

    worker.onmessage = ({ data }) => {
      if (data.error) return say(data.error);
      if (data.id !== id) return;
      frames.push(data);
      slider.max = frames.length - 1;
      if (frames.length === 1) show(0);
      if (still.matches && data.last) show(frames.length - 1);
      if (playing && clock === null) clock = setTimeout(tick, 130);
      root.dataset.ready = data.last ? "all" : "some";
    };
    worker.onerror = (event) => {
      event.preventDefault();
      say("The model could not be started in this browser; the rest of the page works.");
    };
    slider.addEventListener("input", () => (stop(), show(Number(slider.value))));
    play.addEventListener("click", () => {
      if (playing) return stop();
      if (frames[Number(slider.value)]?.last) show(0);
      playing = true;
      play.textContent = "Pause";
      tick();
    });
    others.addEventListener("click", () => {
      seed.value = (Number(seed.value) + 1) % 1000000;
      draw();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const part of [seed, method, steps, eta]) part?.addEventListener("change", draw);
    draw();
  }

  for (const root of document.querySelectorAll('[data-live="digits"], [data-live="sampler"]')) {
    if (root.dataset.live === "digits") start(root);
    // Further down a model runs only once somebody comes near.
    else
      new IntersectionObserver((seen, observer) => {
        if (!seen.some((entry) => entry.isIntersecting)) return;
        observer.disconnect();
        start(root);
      }, { rootMargin: "300px" }).observe(root);
  }
})();
