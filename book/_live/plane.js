// Clouds in the plane: there and back. Points lie one after the other: x, y, x, y, ...

// Clouds as `ddpm_course/data.py` makes them: `count` points, drawn with `noise` (see schedules.js).
const ddpmClouds = {
  moons: (count, noise) =>
    points(count, () => {
      const angle = Math.PI * noise.uniform();
      const upper = noise.uniform() < 0.5;
      const [a, b] = noise(2);
      const x = upper ? Math.cos(angle) : 1 - Math.cos(angle);
      const y = upper ? Math.sin(angle) : 0.5 - Math.sin(angle);
      return [1.15 * (x + 0.05 * a - 0.5), 2 * (y + 0.05 * b - 0.25)];
    }),
  roll: (count, noise) =>
    points(count, () => {
      const angle = 1.5 * Math.PI * (1 + 2 * noise.uniform());
      const [a, b] = noise(2);
      return [(angle * Math.cos(angle) - 2) / 7 + 0.03 * a, (angle * Math.sin(angle) - 0.2) / 7 + 0.03 * b];
    }),
  eight: (count, noise) =>
    points(count, () => {
      const angle = (2 * Math.PI * Math.floor(8 * noise.uniform())) / 8;
      const [a, b] = noise(2);
      return [1.35 * Math.cos(angle) + 0.12 * a, 1.35 * Math.sin(angle) + 0.12 * b];
    }),
};

function points(count, one) {
  return Float64Array.from(Array.from({ length: count }, one).flat());
}

// A mixture of equally likely round clouds, all of one deviation, whose best network is known:
// under q(x_t) the cloud k is N(√ᾱ_t m_k, ᾱ_t std² + 1 - ᾱ_t), so each point knows what to expect.
function ddpmMixture(means, std) {
  return {
    means,
    std,
    // ε̂ = -√(1 - ᾱ_t) · score of q(x_t), at each point of x.
    eps(x, alphaBar) {
      const variance = alphaBar * std ** 2 + 1 - alphaBar;
      const answer = new Float64Array(x.length);
      const share = new Float64Array(means.length);
      const root = Math.sqrt(alphaBar);
      for (let i = 0; i < x.length; i += 2) {
        let most = -Infinity;
        for (let k = 0; k < means.length; k++) {
          const dx = x[i] - root * means[k][0];
          const dy = x[i + 1] - root * means[k][1];
          share[k] = -(dx * dx + dy * dy) / (2 * variance);
          most = Math.max(most, share[k]);
        }
        let total = 0;
        let mx = 0;
        let my = 0;
        for (let k = 0; k < means.length; k++) {
          const weight = Math.exp(share[k] - most);
          total += weight;
          mx += weight * means[k][0];
          my += weight * means[k][1];
        }
        const scale = Math.sqrt(1 - alphaBar) / variance;
        answer[i] = scale * (x[i] - (root * mx) / total);
        answer[i + 1] = scale * (x[i + 1] - (root * my) / total);
      }
      return answer;
    },
  };
}

// The levers: each is a mistake that people have made (the page of misconceptions names them).
const ddpmMistakes = {
  none: {},
  alpha: { wrongAlpha: true }, // √ᾱ_t where √α_t belongs
  end: { noiseAtEnd: true }, // noise at the last step
  root: { spread: (variance) => variance }, // the variance taken for the deviation
  half: { spread: (variance) => Math.exp(variance / 2) }, // the variance taken for its logarithm
  told: { told: 10 }, // the network is told a later t
  back: { oneBack: true }, // t - 1 where steps are skipped
  still: { spread: () => 0 }, // no fresh noise
};

// From x at T back to 0 in so many steps: x_s = a x̂_0 + b x_t + σ z, the posterior for s < t.
function ddpmWalk(alphaBar, eps, x, fresh, steps, mistake = {}) {
  const T = alphaBar.length - 1;
  const { told = 0, wrongAlpha, oneBack, noiseAtEnd, spread = Math.sqrt } = mistake;
  const frames = [];
  for (let step = 0; step < steps; step++) {
    const t = Math.round((T * (steps - step)) / steps);
    const next = Math.round((T * (steps - step - 1)) / steps);
    const s = oneBack ? t - 1 : next;
    const epsHat = eps(x, alphaBar[Math.min(t + told, T)]);
    const alpha = alphaBar[t] / alphaBar[s]; // what the jump from s to t keeps
    const rest = 1 - alphaBar[t];
    const ofX0 = (Math.sqrt(alphaBar[s]) * (1 - alpha)) / rest;
    const ofX = (Math.sqrt(wrongAlpha ? alphaBar[t] : alpha) * (1 - alphaBar[s])) / rest;
    const variance = (1 - alpha) * (noiseAtEnd ? 1 : (1 - alphaBar[s]) / rest);
    const [signal, noise] = [Math.sqrt(alphaBar[t]), Math.sqrt(rest)];
    const sigma = s > 0 || noiseAtEnd ? spread(variance) : 0;
    const z = sigma > 0 ? fresh(x.length) : null;
    const x0 = new Float64Array(x.length);
    const mean = new Float64Array(x.length);
    const after = z ? new Float64Array(x.length) : mean;
    for (let i = 0; i < x.length; i++) {
      x0[i] = (x[i] - noise * epsHat[i]) / signal;
      mean[i] = ofX0 * x0[i] + ofX * x[i];
      if (z) after[i] = mean[i] + sigma * z[i];
    }
    frames.push({ t, x, x0, mean, sigma });
    x = after;
  }
  frames.push({ t: 0, x, x0: x, mean: x, sigma: 0 });
  return frames;
}
