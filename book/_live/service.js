// The network in a worker, so that the page never waits. A figure asks `ddpmService(figure, hear)` for
//
//     walk({seed, count, method, options, x})   steps {t, x, x0, last} from noise, or from x, to data
//     eps({x, t})                               {eps}, the guess of the noise in t.length pictures
//
// and hears of the newest question alone; an older one is dropped.
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
        if (ask.t) return postMessage({ id, eps: net.eps(ask.x, ask.t, ask.more) });
        const { seed, count, method, options } = ask;
        const noise = noiseOf(seed);
        const eps = (x, t) => net.eps(x, new Array(count).fill(t), ask.more);
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
  return { walk: ask, eps: ask };
}
