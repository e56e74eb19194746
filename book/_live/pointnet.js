// The PointNet of `ddpm_course/pointnet.py` and its training, in plain JavaScript, derivatives by hand.
//
// a_1 = W_1 x + b_1 + e_t,  h_1 = silu(a_1),  two layers more of the same kind, then ε̂ = W_4 h_3 + b_4;
// e_t is a learned vector for each step t. A batch lies in memory point by point.
function ddpmPointNet(T, noise, width = 64) {
  const LAYERS = [["first", 2, width], ["second", width, width], ["third", width, width], ["last", width, 2]];
  const weights = { "time.weight": Float64Array.from(noise((T + 1) * width)) };
  for (const [name, inputs, outputs] of LAYERS) {
    const most = 1 / Math.sqrt(inputs); // as torch begins
    const even = (length) => Float64Array.from({ length }, () => most * (2 * noise.uniform() - 1));
    weights[`${name}.weight`] = even(inputs * outputs);
    weights[`${name}.bias`] = even(outputs);
  }
  const like = () => Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, new Float64Array(w.length)]));
  const sigmoid = (a) => 1 / (1 + Math.exp(-a));

  // A B, of (m, k) and (k, p). Four rows of B at once, so that each number of the result is fetched less often.
  function product(A, B, m, k, p) {
    const C = new Float64Array(m * p);
    for (let i = 0; i < m; i++) {
      const [row, to] = [i * k, i * p];
      let l = 0;
      for (; l + 4 <= k; l += 4) {
        const [a, b, c, d] = [A[row + l], A[row + l + 1], A[row + l + 2], A[row + l + 3]];
        for (let j = 0, at = l * p; j < p; j++, at++)
          C[to + j] += a * B[at] + b * B[at + p] + c * B[at + 2 * p] + d * B[at + 3 * p];
      }
      for (; l < k; l++) for (let j = 0; j < p; j++) C[to + j] += A[row + l] * B[l * p + j];
    }
    return C;
  }

  // Aᵀ, of (m, k).
  function flip(A, m, k) {
    const result = new Float64Array(m * k);
    for (let i = 0; i < m; i++) for (let j = 0; j < k; j++) result[j * m + i] = A[i * k + j];
    return result;
  }

  // What each layer saw and made: [h_0 = x, a_1, h_1, a_2, h_2, a_3, h_3, ε̂].
  function forward(x, t) {
    const n = t.length;
    const made = [x];
    for (const [name, inputs, outputs] of LAYERS) {
      const last = name === "last";
      const [W, b, e] = [weights[`${name}.weight`], weights[`${name}.bias`], weights["time.weight"]];
      const a = product(made[made.length - 1], flip(W, outputs, inputs), n, inputs, outputs); // h Wᵀ
      for (let i = 0; i < n; i++)
        for (let o = 0; o < outputs; o++) a[i * outputs + o] += b[o] + (last ? 0 : e[t[i] * width + o]);
      made.push(a);
      if (last) continue;
      const h = new Float64Array(a.length);
      for (let i = 0; i < a.length; i++) h[i] = a[i] * sigmoid(a[i]);
      made.push(h);
    }
    return made;
  }

  const eps = (x, t) => forward(x, t).pop();

  // The loss, mean (ε̂ - ε)², and its derivative by each weight: the chain rule, from the end.
  function gradients(x, t, wanted) {
    const n = t.length;
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
      const [db, de] = [grads[`${name}.bias`], grads["time.weight"]];
      grads[`${name}.weight`] = product(flip(back, n, outputs), h, outputs, n, inputs); // dW = backᵀ h
      for (let i = 0; i < n; i++)
        for (let o = 0; o < outputs; o++) {
          const d = back[i * outputs + o];
          db[o] += d;
          if (name !== "last") de[t[i] * width + o] += d;
        }
      if (name === "first") break;
      back = product(back, weights[`${name}.weight`], n, outputs, inputs); // by h
      const a = made.pop(); // silu'(a) = s (1 + a (1 - s)), s = sigmoid(a)
      for (let i = 0; i < a.length; i++) {
        const s = sigmoid(a[i]);
        back[i] *= s * (1 + a[i] * (1 - s));
      }
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
