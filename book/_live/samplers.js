// The walks from noise to data of `ddpm_course/reverse.py`, in plain JavaScript.
//
// `eps(x, t)` is the network, `noise(length)` gives fresh standard noise. Each walk yields its steps:
// {t, x, x0}, x0 the clean image that the network sees in x.
function ddpmSamplers(beta) {
  const T = beta.length - 1;
  const alphaBar = [1];
  for (let t = 1; t <= T; t++) alphaBar.push(alphaBar[t - 1] * (1 - beta[t]));

  // x̂_0 = (x_t - √(1 - ᾱ_t) ε̂) / √ᾱ_t, kept within the range of images.
  function predictX0(x, epsHat, t) {
    const signal = Math.sqrt(alphaBar[t]);
    const spread = Math.sqrt(1 - alphaBar[t]);
    return x.map((value, i) => Math.min(1, Math.max(-1, (value - spread * epsHat[i]) / signal)));
  }

  // x_{t-1} = √ᾱ_{t-1} β_t / (1 - ᾱ_t) x̂_0 + √α_t (1 - ᾱ_{t-1}) / (1 - ᾱ_t) x_t + √β̃_t z
  function* ancestral(eps, x, noise) {
    for (let t = T; t > 0; t--) {
      const x0 = predictX0(x, eps(x, t), t);
      yield { t, x, x0 };
      const before = alphaBar[t - 1];
      const rest = 1 - alphaBar[t];
      const ofX0 = (Math.sqrt(before) * beta[t]) / rest;
      const ofX = (Math.sqrt(1 - beta[t]) * (1 - before)) / rest;
      const spread = Math.sqrt(((1 - before) / rest) * beta[t]);
      const z = t > 1 ? noise(x.length) : x.map(() => 0);
      x = x.map((value, i) => ofX0 * x0[i] + ofX * value + spread * z[i]);
    }
    yield { t: 0, x, x0: x };
  }

  // x_s = √ᾱ_s x̂_0 + √(1 - ᾱ_s - σ²) ε̂ + σ z,  σ² = η² (1 - ᾱ_s) / (1 - ᾱ_t) (1 - ᾱ_t / ᾱ_s)
  function* ddim(eps, x, noise, { steps = 25, eta = 0 } = {}) {
    if (!(Number.isInteger(steps) && steps >= 1 && steps <= T))
      throw new Error(`steps is ${steps}; this schedule allows 1 to ${T}.`);
    if (!(eta >= 0 && eta <= 1))
      throw new Error(`eta is ${eta}; choose from 0 (no fresh noise) to 1 (as DDPM).`);
    const visited = walk(steps);
    for (let step = 0; step < steps; step++) {
      const [t, s] = [visited[step], visited[step + 1]];
      const x0 = predictX0(x, eps(x, t), t);
      yield { t, x, x0 };
      const ratio = alphaBar[t] / alphaBar[s];
      const variance = eta ** 2 * ((1 - alphaBar[s]) / (1 - alphaBar[t])) * (1 - ratio);
      const toNoise = Math.sqrt(Math.max(0, 1 - alphaBar[s] - variance));
      const z = eta > 0 && s > 0 ? noise(x.length) : x.map(() => 0);
      x = x.map((value, i) => {
        // The noise that leads from x̂_0 to x_t, anew, because x̂_0 may have been clipped.
        const epsHat = (value - Math.sqrt(alphaBar[t]) * x0[i]) / Math.sqrt(1 - alphaBar[t]);
        return Math.sqrt(alphaBar[s]) * x0[i] + toNoise * epsHat + Math.sqrt(variance) * z[i];
      });
    }
    yield { t: 0, x, x0: x };
  }

  // T, ..., 0 evenly spaced, rounded to whole steps, halves to the even one.
  function walk(steps) {
    return Array.from({ length: steps + 1 }, (_, i) => {
      const exact = (T * (steps - i)) / steps;
      const below = Math.floor(exact);
      if (exact - below === 0.5) return below % 2 ? below + 1 : below;
      return Math.round(exact);
    });
  }

  // Standard noise from a seed (mulberry32, then Box and Muller's transform).
  function noiseOf(seed) {
    let state = seed >>> 0;
    const uniform = () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
    return (length) =>
      Float32Array.from({ length }, () => {
        const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
        return radius * Math.cos(2 * Math.PI * uniform());
      });
  }

  return { T, alphaBar, ancestral, ddim, noiseOf };
}
