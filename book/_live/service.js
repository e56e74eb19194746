// The network in a worker, so that the page never waits. A figure asks `ddpmService(figure, hear)` for
//
//     walk({seed, count, method, options, x})   steps {t, x, x0, last} from noise, or from x, to data
//     eps({x, t, skips, watch})                 {eps, seen}, the guess of the noise in t.length pictures;
//                                               with watch, how strongly each stage answers to the first
//
// With guide {w, condition} each guess is free + w (told - free), as `text_to_image.guide` has it.
//
// and hears of the newest question alone; an older one is dropped, all of them by drop().
function ddpmService(figure, hear, model = ddpmFigure.model()) {
  function work(network, samplers, noiseOf) {
    let net, walks, area;
    let wanted = 0;
    onmessage = async ({ data }) => {
      try {
        if (data.model) {
          area = data.model.config.size ** 2;
          net = network(data.model);
          walks = samplers(data.model.beta);
          return;
        }
        const { id, ask } = data;
        wanted = id;
        await new Promise((resume) => setTimeout(resume)); // hear first whether others are wanted
        if (wanted !== id) return;
        const seen = [];
        // The mean of |x| over the channels, at each place of the first picture.
        const watch = (name, x, size) => {
          const area = size * size;
          const channels = x.length / (area * ask.t.length);
          const strength = new Float32Array(area);
          for (let c = 0; c < channels; c++)
            for (let i = 0; i < area; i++)
              strength[i] += Math.abs(x[c * ask.t.length * area + i]) / channels;
          seen.push({ name, size, channels, strength });
        };
        if (ask.t) {
          const answer = net.eps(ask.x, ask.t, { skips: ask.skips, watch: ask.watch ? watch : undefined });
          return postMessage({ id, eps: answer, seen });
        }
        const { seed, count, method, options, guide } = ask;
        const noise = noiseOf(seed);
        const eps = (x, step) => {
          const t = new Array(count).fill(step);
          if (!guide) return net.eps(x, t);
          const told = net.eps(x, t, { condition: guide.condition });
          if (guide.w === 1) return told;
          const free = net.eps(x, t);
          return free.map((value, i) => value + guide.w * (told[i] - value));
        };
        const walk = walks[method](eps, ask.x ?? noise(count * area), noise, options);
        for (const { t, x, x0 } of walk) {
          postMessage({ id, t, x, x0, last: t === 0 });
          await new Promise((resume) => setTimeout(resume));
          if (wanted !== id) return;
        }
      } catch (error) {
        postMessage({ error: error.message });
      }
    };
  }

  let id = 0;
  const made = figure.worker(work, [ddpmNetwork, ddpmSamplers, ddpmNoise], (data) => data.id === id && hear(data));
  made.postMessage({ model });
  const ask = (question) => made.postMessage({ id: (id += 1), ask: question });
  return { walk: ask, eps: ask, drop: () => (id += 1) };
}
