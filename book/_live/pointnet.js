// The PointNet of `ddpm_course/pointnet.py` and its training, in plain JavaScript, derivatives by hand.
//
// a_1 = W_1 x + b_1 + e_t,  h_1 = silu(a_1),  two layers more of the same kind, then ε̂ = W_4 h_3 + b_4;
// e_t is a learned vector for each step t. A batch lies in memory point by point.
function ddpmPointNet(T, noise, width = 64) {
  const LAYERS = [["first", 2, width], ["second", width, width], ["third", width, width], ["last", width, 2]];
  const weights = { "time.weight": noise((T + 1) * width) };
  for (const [name, inputs, outputs] of LAYERS) {
    const most = 1 / Math.sqrt(inputs); // as torch begins
    const even = (length) => Float32Array.from({ length }, () => most * (2 * noise.uniform() - 1));
    weights[`${name}.weight`] = even(inputs * outputs);
    weights[`${name}.bias`] = even(outputs);
  }
  const like = () => Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, new Float32Array(w.length)]));
  const sigmoid = (a) => 1 / (1 + Math.exp(-a));

  // W h + b, and e_t where there is a time.
  function linear(name, h, inputs, outputs, t) {
    const [W, b, e] = [weights[`${name}.weight`], weights[`${name}.bias`], weights["time.weight"]];
    const n = h.length / inputs;
    const result = new Float32Array(n * outputs);
    for (let i = 0; i < n; i++)
      for (let o = 0; o < outputs; o++) {
        let sum = b[o] + (t ? e[t[i] * width + o] : 0);
        for (let k = 0, w = o * inputs, at = i * inputs; k < inputs; k++) sum += W[w + k] * h[at + k];
        result[i * outputs + o] = sum;
      }
    return result;
  }

  // What each layer saw and made: [h_0 = x, a_1, h_1, a_2, h_2, a_3, h_3, ε̂].
  function forward(x, t) {
    const made = [x];
    for (const [name, inputs, outputs] of LAYERS) {
      const last = name === "last";
      const a = linear(name, made[made.length - 1], inputs, outputs, last ? null : t);
      made.push(a);
      if (!last) made.push(a.map((v) => v * sigmoid(v)));
    }
    return made;
  }

  const eps = (x, t) => forward(x, t).pop();

  // The loss, mean (ε̂ - ε)², and its derivative by each weight: the chain rule, from the end.
  function gradients(x, t, wanted) {
    const made = forward(x, t);
    const answer = made.pop();
    const grads = like();
    let loss = 0;
    let back = answer.map((v, i) => {
      loss += (v - wanted[i]) ** 2 / answer.length;
      return (2 * (v - wanted[i])) / answer.length;
    });
    for (const [name, inputs, outputs] of [...LAYERS].reverse()) {
      const h = made.pop();
      const [W, dW, db] = [weights[`${name}.weight`], grads[`${name}.weight`], grads[`${name}.bias`]];
      const below = new Float32Array(h.length);
      for (let i = 0; i < t.length; i++)
        for (let o = 0; o < outputs; o++) {
          const d = back[i * outputs + o];
          db[o] += d;
          if (name !== "last") grads["time.weight"][t[i] * width + o] += d;
          for (let k = 0, w = o * inputs, at = i * inputs; k < inputs; k++) {
            dW[w + k] += d * h[at + k];
            below[at + k] += d * W[w + k];
          }
        }
      if (name === "first") break;
      const a = made.pop(); // silu'(a) = s (1 + a (1 - s)), s = sigmoid(a)
      back = below.map((d, i) => {
        const s = sigmoid(a[i]);
        return d * s * (1 + a[i] * (1 - s));
      });
    }
    return { loss, grads };
  }

  // Adam (Kingma & Ba 2015): m and v are running means of the gradient and of its square.
  const [m, v] = [like(), like()];
  let count = 0;
  function adam(grads, rate) {
    count += 1;
    const [first, second] = [1 - 0.9 ** count, 1 - 0.999 ** count];
    for (const [name, w] of Object.entries(weights))
      for (let i = 0; i < w.length; i++) {
        const g = grads[name][i];
        m[name][i] = 0.9 * m[name][i] + 0.1 * g;
        v[name][i] = 0.999 * v[name][i] + 0.001 * g * g;
        w[i] -= (rate * (m[name][i] / first)) / (Math.sqrt(v[name][i] / second) + 1e-8);
      }
  }

  return { weights, eps, gradients, adam };
}
