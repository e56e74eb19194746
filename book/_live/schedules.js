// The schedules of `ddpm_course/schedule.py` and the jump of `ddpm_course/marginal.py`, for the pages.
const ddpmSchedules = (() => {
  // β rises from beta1 to betaT; bend 1 is a straight line, more stays low for longer.
  function linear(T, beta1, betaT, bend = 1) {
    const beta = [0];
    for (let i = 0; i < T; i++) beta.push(beta1 + (betaT - beta1) * (T > 1 ? i / (T - 1) : 0) ** bend);
    return beta;
  }

  // ᾱ_t = f(t) / f(0),  f(t) = cos²((t/T + s) / (1 + s) · π/2),  β_t = 1 - ᾱ_t / ᾱ_{t-1}
  function cosine(T, s = 0.008, most = 0.999) {
    const f = (t) => Math.cos(((t / T + s) / (1 + s)) * (Math.PI / 2)) ** 2;
    return [0, ...Array.from({ length: T }, (_, i) => Math.min(most, 1 - f(i + 1) / f(i)))];
  }

  // ᾱ_t = α_1 α_2 ··· α_t; each β must lie strictly between 0 and 1.
  function alphaBar(beta) {
    const bad = beta.findIndex((value, t) => t > 0 && !(value > 0 && value < 1));
    if (bad > 0)
      throw new Error(
        `At t = ${bad} β is ${beta[bad].toPrecision(3)}; every variance must lie strictly between 0 and 1.`,
      );
    const kept = [1];
    for (let t = 1; t < beta.length; t++) kept.push(kept[t - 1] * (1 - beta[t]));
    return kept;
  }

  return { linear, cosine, alphaBar };
})();

// Standard noise from a seed (mulberry32, then Box and Muller's transform).
function ddpmNoise(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  function noise(length) {
    const made = new Float32Array(length);
    for (let i = 0; i < length; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      made[i] = radius * Math.cos(2 * Math.PI * uniform());
    }
    return made;
  }
  noise.uniform = uniform;
  return noise;
}
