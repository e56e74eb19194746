// What all figures that compute in the page share: canvas, controls, words, workers.
//
// A figure starts when a reader comes near. What it shows it also says, in words that follow. What it
// lacks it says in one sentence; then the still picture stays, and the rest of the page works.
const ddpmFigure = (() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const make = (tag, attributes = {}, ...inside) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  };

  // "x_t" as the book sets it: what stands behind "_" is small and low.
  const parts = (text) => text.split(/_(\w+)/);
  const low = (text) => parts(text).map((part, i) => (i % 2 ? make("sub", {}, part) : part));

  // The same on a canvas, from the left; says where it ends.
  function spell(brush, text, x, y) {
    const font = brush.font;
    parts(text).forEach((part, i) => {
      brush.font = i % 2 ? font.replace("13px", "10px") : font;
      brush.fillText(part, x, y + (i % 2 ? 3 : 0));
      x += brush.measureText(part).width;
    });
    brush.font = font;
    return x;
  }

  // New words in the old place: who watches the page for new elements (the theme does) is left in peace.
  function write(element, text) {
    if (!element.firstChild) element.append("");
    element.firstChild.data = text;
  }

  // Numbers as the book writes them.
  const say = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

  function frame(root) {
    const still = [...root.childNodes];
    // Until there is something to say the still picture is seen alone (live.css): no hole while a worker starts.
    const before = root.querySelectorAll("img");
    const stage = make("div", { class: "live-stage" }, ...before);
    const form = make("form", { class: "live-settings" });
    const words = make("p", { class: "live-words", "aria-hidden": "true" });
    const aloud = make("p", { class: "live-aloud", role: "status" });
    const canvases = [];
    const workers = [];
    let asked = false;
    let telling = null;
    let untold = null; // what is to be said as soon as there is time
    let refused = false;
    let wrong = null; // the field whose entry was refused
    let moving = false; // by a hand, or by the button that plays
    let hues = null; // as long as the page is as light, and as wide, as it was
    form.addEventListener("submit", (event) => event.preventDefault());
    for (const kind of ["input", "change", "keydown", "pointerdown"]) root.addEventListener(kind, ({ target }) => goOn(target, kind), true);
    root.replaceChildren(stage, form, words, aloud);

    // One color a quantity, from the style sheet, which knows the light and the dark page.
    function colors() {
      const style = getComputedStyle(root);
      return Object.fromEntries(
        ["x0", "xt", "eps", "x0hat", "ink", "quiet", "other", "paper"]
          .map((name) => [name, `--live-${name}`])
          .concat([["thin", "--thin-xt"]]) // x_t in letters
          .map(([name, from]) => [name, style.getPropertyValue(from).trim()]),
      );
    }

    function paint() {
      asked = false;
      hues ??= colors();
      for (const one of canvases) {
        const { canvas, height, draw } = one;
        const width = (one.width ||= canvas.clientWidth);
        if (!width) continue;
        const dots = moving ? devicePixelRatio : Math.max(2, devicePixelRatio); // in motion no eye counts them
        const tall = height(width);
        const brush = canvas.getContext("2d");
        const [across, down] = [Math.round(width * dots), Math.round(tall * dots)];
        if (brush.reset && canvas.width === across && canvas.height === down) brush.reset(); // room is made once
        else {
          canvas.style.height = `${tall}px`;
          [canvas.width, canvas.height] = [across, down];
        }
        brush.scale(dots, dots);
        brush.font = "13px system-ui, sans-serif";
        brush.lineJoin = "round";
        draw(brush, width, tall, hues);
      }
      root.removeAttribute("data-stale");
    }

    // While something moves, the words wait their turn: four times a second is as fast as anybody reads.
    function move(now) {
      moving = now;
      if (!moving) utter();
      redraw();
    }

    // Paint soon, once, however often it is asked for.
    function redraw() {
      if (!asked) requestAnimationFrame(paint);
      asked = true;
      if (!moving) root.setAttribute("data-stale", ""); // each change of the page has it styled anew
    }
    // What the page looks like is asked when it has changed, not at each painting.
    function look() {
      hues = null;
      for (const one of canvases) one.width = null;
      redraw();
    }
    new ResizeObserver(look).observe(root);
    // Paper does not wait for the next painting: it has its colors at once (print.js made the page light).
    addEventListener("beforeprint", () => ((hues = null), paint()));
    new MutationObserver(look).observe(document.documentElement, { attributeFilter: ["data-theme"] });

    // draw(brush, width, height, colors); height is a part of the width, or a function of it.
    function canvas(draw, height = 0.6) {
      const element = make("canvas", { role: "img", "aria-label": "The figure is starting." });
      stage.append(element);
      canvases.push({ canvas: element, draw, height: typeof height === "function" ? height : (w) => w * height });
      redraw();
      return element;
    }

    // The same as the picture, in words: at once beside it, and aloud when it has come to rest.
    // A refusal stays until the reader does something else, whatever still runs meanwhile.
    // What takes a while to find out comes as a function, and is asked for when it is said.
    function tell(text) {
      if (untold === null && moving) setTimeout(utter, 250);
      untold = text;
      if (!moving) utter();
    }

    function utter() {
      if (untold === null) return;
      const text = typeof untold === "function" ? untold() : untold;
      untold = null;
      for (const { canvas } of canvases) canvas.setAttribute("aria-label", text);
      reveal();
      if (refused) return;
      write(words, text);
      words.classList.remove("live-error");
      root.classList.remove("live-old");
      clearTimeout(telling);
      telling = setTimeout(() => (aloud.textContent = text), 400);
    }

    // From now on the figure is seen, and not its still picture.
    function reveal() {
      before.forEach((picture) => picture.remove());
    }

    // Whether something is still being computed.
    function busy(now) {
      root.toggleAttribute("data-busy", now);
    }

    // What is asked for cannot be: say so, and leave the picture; pale where it is of an older wish, which
    // `old` says.
    function refuse(text, old = "") {
      refused = true;
      clearTimeout(telling);
      text = `${text} ${old}`.trim();
      write(words, text);
      aloud.textContent = text;
      words.classList.add("live-error");
      root.classList.toggle("live-old", old !== "");
    }

    // A refusal ends with the next thing that a reader does. An entry that was refused stays while it is
    // being mended; who does something else instead gets back what is drawn.
    function goOn(target, kind) {
      if (target === wrong && kind !== "change") return;
      refused = false;
      if (target !== wrong) wrong?.mend();
      wrong = null;
    }

    function label(text, element, ...more) {
      form.append(make("label", {}, make("span", {}, ...low(text)), element, ...more));
      return element;
    }

    // A slider; read(value) says its value in words.
    function slider(text, { min = 0, max, step = 1, value = min, read = String, change }) {
      const element = make("input", { type: "range", min, max, step, value, autocomplete: "off" });
      const output = make("output", { "aria-live": "off" });
      const follow = () => {
        write(output, read(Number(element.value)));
        element.setAttribute("aria-valuetext", output.textContent);
      };
      element.set = (wanted) => ((element.value = wanted), follow());
      element.addEventListener("input", () => (follow(), change(Number(element.value))));
      follow();
      form.append(make("div", { class: "live-wide" }, make("label", {}, make("span", {}, ...low(text)), element), output));
      return element;
    }

    function menu(text, options, change, value) {
      const element = make("select", { autocomplete: "off" });
      for (const [key, words] of options) element.append(new Option(words, key));
      if (value !== undefined) element.value = value;
      element.addEventListener("change", () => change(element.value));
      return label(text, element);
    }

    // A menu of what a reader could also have made by hand. Who does so calls leave(), and may take any again.
    function examples(options, take) {
      const element = menu("or take", [["", "an example"], ...options], take);
      element.options[0].disabled = true;
      element.leave = () => (element.value = "");
      return element;
    }

    function button(text, press) {
      const element = make("button", { type: "button" }, text);
      element.addEventListener("click", press);
      form.append(element);
      return element;
    }

    // A whole number from 0 to 999999 that decides all chance: chosen.seed. The field shows the one that is
    // drawn, but for an entry that was just refused.
    function seed(chosen, draw) {
      const element = make("input", { type: "number", min: 0, max: 999999, value: chosen.seed, autocomplete: "off" });
      element.set = (value) => {
        element.value = chosen.seed = value;
        element.setAttribute("aria-invalid", false);
      };
      element.next = () => element.set((chosen.seed + 1) % 1000000);
      element.mend = () => element.set(chosen.seed);
      element.addEventListener("change", () => {
        const { value, validity } = element;
        const number = Number(value);
        if (value !== "" && Number.isInteger(number) && number >= 0 && number <= 999999) {
          element.set(number);
          return draw();
        }
        wrong = element;
        element.setAttribute("aria-invalid", true);
        const said = validity.badInput ? "The seed is no number" : value === "" ? "There is no seed" : `The seed is "${value}"`;
        refuse(`${said}; give a whole number from 0 to 999999. What you see is from seed ${chosen.seed}.`);
      });
      return label("seed", element);
    }

    // A button that moves a slider to its other end and then stops. Who wants no motion gets none.
    function player(slider, pause = 60) {
      let clock = null;
      const element = button("Play", () => (clock === null ? play() : stop()));
      const [first, last] = [() => Number(slider.dataset.from ?? slider.min), () => Number(slider.dataset.to ?? slider.max)];
      function stop() {
        clearInterval(clock);
        if (clock !== null) move(false);
        clock = null;
        element.textContent = "Play";
      }
      function play() {
        if (Number(slider.value) === last()) step(first());
        move(true);
        element.textContent = "Pause";
        clock = setInterval(() => {
          const way = Math.sign(last() - first()) * Number(slider.step);
          step(Number(slider.value) + way);
          if (Number(slider.value) === last()) stop();
        }, pause);
      }
      function step(value) {
        slider.value = value;
        slider.dispatchEvent(new Event("input"));
      }
      const obey = () => {
        stop();
        element.hidden = calm.matches;
      };
      slider.addEventListener("pointerdown", stop);
      slider.addEventListener("keydown", stop);
      calm.addEventListener("change", obey);
      obey();
      return { play: () => calm.matches || play(), stop };
    }

    // A point of the picture that mouse, finger and arrow keys move. at: [x, y], each in 0..1. However fast
    // the hand, what follows from its move is computed once for each picture that is painted.
    function handle(text, at, moved, color = "x0") {
      let told = true;
      let from = null; // where a hand took it; from there it is shifted, so that the page is laid out once
      const follow = () => {
        if (told) requestAnimationFrame(() => ((told = true), moved(at)));
        told = false;
        redraw();
      };
      const element = make("button", { type: "button", class: "live-handle", "aria-label": `${text}; the arrow keys move it` });
      element.style.setProperty("--hand", `var(--live-${color})`);
      const place = ([x, y]) => {
        at = [x, y].map((value) => Math.min(0.98, Math.max(0.02, value)));
        if (from) {
          const shift = at.map((value, axis) => `${(value - from.at[axis]) * from.size[axis]}px`);
          element.style.translate = shift.join(" ");
          return;
        }
        element.style.translate = "";
        element.style.left = `${100 * at[0]}%`;
        element.style.top = `${100 * at[1]}%`;
      };
      place(at);
      element.addEventListener("pointerdown", (event) => {
        element.setPointerCapture(event.pointerId);
        from = { at, size: [stage.clientWidth, stage.clientHeight] };
        move(true);
      });
      element.addEventListener("lostpointercapture", () => {
        from = null;
        place(at);
        move(false);
      });
      element.addEventListener("pointermove", (event) => {
        if (!element.hasPointerCapture(event.pointerId)) return;
        const box = stage.getBoundingClientRect();
        place([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
        follow();
      });
      element.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!way) return;
        event.preventDefault();
        place([at[0] + 0.02 * way[0], at[1] + 0.02 * way[1]]);
        follow();
      });
      stage.append(element);
      return { element, place };
    }

    // Work beside the page, so that it never waits: work(...parts) runs there, parts are functions.
    function worker(work, parts, hear) {
      let made;
      try {
        const source = `(${work})(${parts.join(", ")})`;
        made = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
      } catch {
        throw new Error("This browser runs no workers, so nothing can be computed here; another one can.");
      }
      workers.push(made);
      made.onmessage = ({ data }) => (data.error ? fail(data.error) : hear(data));
      made.onerror = (event) => {
        event.preventDefault();
        fail("The figure could not be started in this browser; the rest of the page works.");
      };
      return made;
    }

    // Give up: the still picture comes back, with a sentence.
    function fail(text) {
      if (before.length) text += " The picture here was drawn before.";
      workers.forEach((made) => made.terminate()); // what still runs has nowhere to show
      busy(false);
      root.replaceChildren(...still, make("p", { class: "live-error", role: "alert" }, text));
    }

    return { root, stage, form, canvas, aloud: (text) => (aloud.textContent = text), tell, reveal, busy, refuse, slider, menu, examples, button, seed, player, handle, worker, fail, redraw, calm, label, make };
  }

  // What the build wrote for a figure, or a sentence.
  function model(name = "ddpmModel", file = "model.js") {
    if (window[name]) return window[name];
    throw new Error(
      `What this figure needs, _static/live/${file}, is missing. Perhaps it did not come through: load this page again. (Who made the book: build it again.)`,
    );
  }

  // Pictures (size² values from -1 to 1), smooth as a photograph is, or with their pixels.
  const tile = document.createElement("canvas");
  function picture(brush, values, size, left, top, wide, { smooth = true, from = -1, to = 1 } = {}) {
    tile.width = tile.height = size;
    const small = tile.getContext("2d");
    const dots = small.createImageData(size, size);
    for (let i = 0; i < size * size; i++) {
      const grey = ((values[i] - from) / (to - from)) * 255; // clamped by the array
      dots.data.set([grey, grey, grey, 255], 4 * i);
    }
    small.putImageData(dots, 0, 0);
    brush.imageSmoothingEnabled = smooth;
    brush.imageSmoothingQuality = "high";
    brush.drawImage(tile, left, top, wide, wide);
  }

  // Two axes in a box, as functions from values to places, with a few numbers along them.
  function axes(brush, { left, top, width, height }, [x1, x2], [y1, y2], colors, { xs = [x1, x2], ys = [y1, y2], title = "", below = "" } = {}) {
    const x = (value) => left + ((value - x1) / (x2 - x1)) * width;
    const y = (value) => top + height - ((value - y1) / (y2 - y1)) * height;
    brush.strokeStyle = brush.fillStyle = colors.quiet;
    brush.lineWidth = 1;
    brush.strokeRect(left, top, width, height);
    brush.textAlign = "center";
    for (const value of xs) {
      brush.textAlign = value === x2 && xs.length > 1 ? "right" : "center"; // within the picture
      brush.fillText(String(value).replace("-", "−"), x(value), top + height + 15);
    }
    brush.textAlign = "right";
    for (const value of ys) brush.fillText(String(value).replace("-", "−"), left - 5, y(value) + 4);
    brush.textAlign = "left";
    brush.fillStyle = colors.ink;
    spell(brush, title, left, top - 6);
    brush.textAlign = "right";
    brush.fillText(below, left + width, top + height + 15);
    brush.textAlign = "left";
    return { x, y };
  }

  // Where an axis of losses ends: at 1, which who guesses nothing has, or at the next half above them all.
  const upTo = (losses) => Math.ceil(2 * Math.max(1, ...losses)) / 2;

  function curve(brush, places, color, width = 2) {
    brush.strokeStyle = color;
    brush.lineWidth = width;
    brush.beginPath();
    for (const [x, y] of places) brush.lineTo(x, y);
    brush.stroke();
  }

  function arrow(brush, [x1, y1], [x2, y2], color, width = 2.5) {
    const angle = Math.atan2(y2 - y1, x2 - x1);
    const head = Math.min(9, Math.hypot(x2 - x1, y2 - y1));
    curve(brush, [[x1, y1], [x2, y2]], color, width);
    const side = (turn) => [x2 - head * Math.cos(angle + turn), y2 - head * Math.sin(angle + turn)];
    curve(brush, [side(0.45), [x2, y2], side(-0.45)], color, width);
  }

  // What the colors are, in a row: [word, color], ...
  function legend(brush, left, top, entries, colors) {
    brush.textAlign = "left";
    for (const [word, color] of entries) {
      brush.fillStyle = color;
      brush.fillRect(left, top, 10, 10);
      brush.fillStyle = colors.ink;
      left = spell(brush, word, left + 14, top + 10) + 10;
    }
  }

  // Have every figure of this kind built, by build(frame), once a reader comes near.
  function define(kind, build) {
    for (const root of document.querySelectorAll(`[data-live="${kind}"]`)) {
      const begin = () => {
        const made = frame(root);
        try {
          build(made, root.dataset.mode);
        } catch (error) {
          made.fail(error.message);
        }
      };
      new IntersectionObserver((seen, observer) => {
        if (!seen.some((entry) => entry.isIntersecting)) return;
        observer.disconnect();
        begin();
      }, { rootMargin: "400px" }).observe(root);
    }
  }

  return { define, model, picture, axes, upTo, curve, arrow, legend, say, spell };
})();
