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
      const scale = Math.sqrt(1 - alphaBar) / variance;
      const centers = Float64Array.from(means.flat(), (value) => Math.sqrt(alphaBar) * value);
      const far = new Float64Array(means.length); // squared, from each center
      const answer = new Float64Array(x.length);
      for (let i = 0; i < x.length; i += 2) {
        let least = Infinity;
        for (let k = 0; k < far.length; k++) {
          const dx = x[i] - centers[2 * k];
          const dy = x[i + 1] - centers[2 * k + 1];
          far[k] = dx * dx + dy * dy;
          if (far[k] < least) least = far[k];
        }
        let [total, mx, my] = [0, 0, 0];
        for (let k = 0; k < far.length; k++) {
          const exponent = (least - far[k]) / (2 * variance);
          if (exponent < -40) continue; // it adds nothing that a number can hold
          const weight = Math.exp(exponent);
          total += weight;
          mx += weight * centers[2 * k];
          my += weight * centers[2 * k + 1];
        }
        answer[i] = scale * (x[i] - mx / total);
        answer[i + 1] = scale * (x[i + 1] - my / total);
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

// From x at T back to 0 in so many steps: x_s = a x̂_0 + b x_t + σ z, the posterior for s < t. Each step
// is taken when it is asked for: {t, x, sigma}, and x̂_0 and the mean of the first point.
function* ddpmWalk(alphaBar, eps, x, fresh, steps, mistake = {}) {
  const T = alphaBar.length - 1;
  const { told = 0, wrongAlpha, oneBack, noiseAtEnd, spread = Math.sqrt } = mistake;
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
    const [first, mean] = [[0, 0], [0, 0]];
    const after = new Float64Array(x.length);
    for (let i = 0; i < x.length; i++) {
      const x0 = (x[i] - noise * epsHat[i]) / signal;
      after[i] = ofX0 * x0 + ofX * x[i];
      if (i < 2) [first[i], mean[i]] = [x0, after[i]];
      if (z) after[i] += sigma * z[i];
    }
    yield { t, x, sigma, x0: first, mean };
    x = after;
  }
  yield { t: 0, x, sigma: 0, x0: x, mean: x };
}
