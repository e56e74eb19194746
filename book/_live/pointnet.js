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

  // A B, of (m, k) and (k, p). Two rows of A meet four columns of B at once: their eight sums stay in
  // the processor while they grow, and each number that is fetched serves more than one of them.
  function product(A, B, m, k, p) {
    const C = new Float64Array(m * p);
    const [rows, columns] = [m - (m % 2), p - (p % 4)];
    for (let i = 0; i < rows; i += 2)
      for (let j = 0; j < columns; j += 4) {
        let c0 = 0, c1 = 0, c2 = 0, c3 = 0, d0 = 0, d1 = 0, d2 = 0, d3 = 0;
        for (let l = i * k, at = j; l < i * k + k; l++, at += p) {
          const a = A[l], b = A[l + k], w = B[at], x = B[at + 1], y = B[at + 2], z = B[at + 3];
          c0 += a * w; c1 += a * x; c2 += a * y; c3 += a * z;
          d0 += b * w; d1 += b * x; d2 += b * y; d3 += b * z;
        }
        const to = i * p + j;
        C[to] = c0; C[to + 1] = c1; C[to + 2] = c2; C[to + 3] = c3;
        C[to + p] = d0; C[to + p + 1] = d1; C[to + p + 2] = d2; C[to + p + 3] = d3;
      }
    // What is left at the edges.
    for (let i = 0; i < m; i++)
      for (let j = i < rows ? columns : 0; j < p; j++)
        for (let l = 0; l < k; l++) C[i * p + j] += A[i * k + l] * B[l * p + j];
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
    for (const [name, w] of Object.entries(weights)) {
      const [of, mean, square] = [grads[name], m[name], v[name]];
      for (let i = 0; i < w.length; i++) {
        mean[i] = 0.9 * mean[i] + 0.1 * of[i];
        square[i] = 0.999 * square[i] + 0.001 * of[i] ** 2;
        w[i] -= (rate * (mean[i] / first)) / (Math.sqrt(square[i] / second) + 1e-8);
      }
    }
  }

  return { weights, eps, gradients, adam };
}
