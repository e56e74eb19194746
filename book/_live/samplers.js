// The walks from noise to data of `ddpm_course/reverse.py` and `solvers.py`, in plain JavaScript.
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
  function* ancestral(eps, x, noise, { from = T } = {}) {
    for (let t = from; t > 0; t--) {
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
  function jump(x0, x, t, s, noise, eta) {
    const ratio = alphaBar[t] / alphaBar[s];
    const variance = eta ** 2 * ((1 - alphaBar[s]) / (1 - alphaBar[t])) * (1 - ratio);
    const toNoise = Math.sqrt(Math.max(0, 1 - alphaBar[s] - variance));
    const z = eta > 0 && s > 0 ? noise(x.length) : x.map(() => 0);
    return x.map((value, i) => {
      // The noise that leads from x̂_0 to x_t, anew, because x̂_0 may have been clipped.
      const epsHat = (value - Math.sqrt(alphaBar[t]) * x0[i]) / Math.sqrt(1 - alphaBar[t]);
      return Math.sqrt(alphaBar[s]) * x0[i] + toNoise * epsHat + Math.sqrt(variance) * z[i];
    });
  }

  function* ddim(eps, x, noise, { steps = 25, eta = 0, from = T } = {}) {
    check(steps, eta, from);
    const visited = walk(steps, from);
    for (let step = 0; step < steps; step++) {
      const [t, s] = [visited[step], visited[step + 1]];
      const x0 = predictX0(x, eps(x, t), t);
      yield { t, x, x0 };
      x = jump(x0, x, t, s, noise, eta);
    }
    yield { t: 0, x, x0: x };
  }

  // from, ..., 0 evenly spaced, rounded to whole steps, halves to the even one.
  function walk(steps, from) {
    return Array.from({ length: steps + 1 }, (_, i) => {
      const exact = (from * (steps - i)) / steps;
      const below = Math.floor(exact);
      if (exact - below === 0.5) return below % 2 ? below + 1 : below;
      return Math.round(exact);
    });
  }

  // DPM-Solver++ of order 2: DDIM's jump from a guess of x_0 that looks ahead on the line through the
  // last two:  x̂_0(t) + h / (2 h') (x̂_0(t) - x̂_0(before)),  h = λ_s - λ_t,  h' = λ_t - λ_before
  function* multistep(eps, x, noise, { steps = 20, eta = 1, order = 2, from = T } = {}) {
    check(steps, eta, from);
    const halfLogSnr = (t) => Math.log(alphaBar[t] / (1 - alphaBar[t])) / 2;
    const visited = walk(steps, from);
    let last = null; // the step and the guess before
    for (let step = 0; step < steps; step++) {
      const [t, s] = [visited[step], visited[step + 1]];
      const x0 = predictX0(x, eps(x, t), t);
      yield { t, x, x0 };
      let ahead = x0;
      if (order === 2 && last && s > 0) {
        const slope = (halfLogSnr(s) - halfLogSnr(t)) / (2 * (halfLogSnr(t) - halfLogSnr(last.t)));
        ahead = x0.map((value, i) => value + slope * (value - last.x0[i]));
      }
      x = jump(ahead, x, t, s, noise, eta);
      last = { t, x0 };
    }
    yield { t: 0, x, x0: x };
  }

  // A student of few calls (`ddpm_course/few_steps.py`), which says a velocity: x̂_0 = x_u - u v(x_u, u).
  // For the next call noise is put in again, less each time: x_u' = (1 - u') x̂_0 + u' z.
  function* student(velocity, x, noise, { steps = 1 } = {}) {
    check(steps, 0, T);
    for (let step = 0; step < steps; step++) {
      const u = 1 - step / steps;
      const t = Math.round(1000 * u); // the network is told the time in thousandths
      const v = velocity(x, t);
      const x0 = x.map((value, i) => Math.min(1, Math.max(-1, value - u * v[i])));
      yield { t, x, x0 };
      const next = 1 - (step + 1) / steps;
      const z = step + 1 < steps ? noise(x.length) : x0.map(() => 0);
      x = x0.map((value, i) => (1 - next) * value + next * z[i]);
    }
    yield { t: 0, x, x0: x };
  }

  function check(steps, eta, from) {
    if (!(Number.isInteger(steps) && steps >= 1 && steps <= from))
      throw new Error(`steps is ${steps}; this schedule allows 1 to ${from}.`);
    if (!(eta >= 0 && eta <= 1))
      throw new Error(`eta is ${eta}; choose from 0 (no fresh noise) to 1 (as DDPM).`);
  }

  return { T, alphaBar, predictX0, ancestral, ddim, multistep, student };
}
