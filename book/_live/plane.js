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

// exp(x) for -25 <= x <= 0, to 8 digits, in a third of the time of Math.exp, where most of the time went:
// from the table the nearest power above, then four terms of the series for what is left.
const ddpmPowers = Float64Array.from({ length: 25 * 64 + 1 }, (_, n) => Math.exp(-n / 64));
function ddpmExp(x) {
  const n = (-64 * x) | 0;
  const rest = x + n / 64;
  return ddpmPowers[n] * (1 + rest * (1 + rest * (1 / 2 + rest / 6)));
}

// A mixture of equally likely round clouds, all of one deviation, whose best network is known:
// under q(x_t) the cloud k is N(√ᾱ_t m_k, v), v = ᾱ_t std² + 1 - ᾱ_t, so each point knows what to expect.
function ddpmMixture(means, std) {
  const fill = means.length === 3 ? ddpmThree : ddpmMany;
  let answer = new Float64Array(0); // used again by the next call
  return {
    means,
    std,
    // ε̂ = -√(1 - ᾱ_t) · score of q(x_t), at each point of x.
    eps(x, alphaBar) {
      if (answer.length !== x.length) answer = new Float64Array(x.length);
      const centers = means.map((mean) => mean.map((value) => Math.sqrt(alphaBar) * value));
      const variance = alphaBar * std ** 2 + 1 - alphaBar;
      fill(answer, x, centers, variance, Math.sqrt(1 - alphaBar) / variance);
      return answer;
    },
  };
}

// scale · (x - the mean of the centers, weighted by how likely x is from each), for any number of clouds.
function ddpmMany(answer, x, centers, variance, scale) {
  const narrow = -1 / (2 * variance);
  const power = new Float64Array(centers.length);
  for (let i = 0; i < x.length; i += 2) {
    let most = -Infinity;
    for (let k = 0; k < power.length; k++) {
      const dx = x[i] - centers[k][0];
      const dy = x[i + 1] - centers[k][1];
      power[k] = narrow * (dx * dx + dy * dy);
      if (power[k] > most) most = power[k];
    }
    let total = 0;
    let mx = 0;
    let my = 0;
    for (let k = 0; k < power.length; k++) {
      const less = power[k] - most;
      if (less < -25) continue; // no more than 1e-11 of the whole
      const weight = ddpmExp(less);
      total += weight;
      mx += weight * centers[k][0];
      my += weight * centers[k][1];
    }
    answer[i] = scale * (x[i] - mx / total);
    answer[i + 1] = scale * (x[i + 1] - my / total);
  }
}

// The same for three clouds, written out: in half the time, so that they follow a hand that drags. The power
// of a weight, -|x - c|² / 2v, less what is the same for all of them is a line: q·x - |c|² / 2v, q = c / v.
function ddpmThree(answer, x, centers, variance, scale) {
  const [[ax, ay, a], [bx, by, b], [cx, cy, c]] = centers.map(([x, y]) => [x, y, (x * x + y * y) / (2 * variance)]);
  for (let i = 0; i < x.length; i += 2) {
    const first = (ax * x[i] + ay * x[i + 1]) / variance - a;
    const second = (bx * x[i] + by * x[i + 1]) / variance - b;
    const third = (cx * x[i] + cy * x[i + 1]) / variance - c;
    const most = Math.max(first, second, third);
    const u = ddpmExp(Math.max(-25, first - most));
    const v = ddpmExp(Math.max(-25, second - most));
    const w = ddpmExp(Math.max(-25, third - most));
    const part = scale / (u + v + w);
    answer[i] = scale * x[i] - (u * ax + v * bx + w * cx) * part;
    answer[i + 1] = scale * x[i + 1] - (u * ay + v * by + w * cy) * part;
  }
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
  // a x + b y + c z, number by number; by itself, because a browser is quicker outside of a walk.
  function sum(a, x, b, y, c, z) {
    const result = new Float64Array(x.length);
    for (let i = 0; i < result.length; i++) result[i] = a * x[i] + b * y[i] + c * z[i];
    return result;
  }
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
    const first = [0, 1].map((i) => (x[i] - noise * epsHat[i]) / signal); // x̂_0
    const mean = first.map((x0, i) => ofX0 * x0 + ofX * x[i]);
    // The same for all points, x̂_0 put in.
    const after = sum(ofX0 / signal + ofX, x, (-ofX0 * noise) / signal, epsHat, sigma, z ?? epsHat);
    yield { t, x, sigma, x0: first, mean };
    x = after;
  }
  yield { t: 0, x, sigma: 0, x0: x, mean: x };
}
