// The U-Net ε_θ(x_t, t) of `ddpm_course/unet.py` once more, in plain JavaScript, for the pages.
//
// A batch of n images with c channels lies in memory channel by channel: (c, n, height, width). So a
// convolution is one product of matrices, and to join two stacks of channels is to put them end to end.
function ddpmNetwork(model) {
  // matmul.wat, as bytes.
  const KERNEL =
    "AGFzbQEAAAABCgFgBn9/f39/fwADAgEABQQBAIAIBxMCBm1lbW9yeQIABm1hdG11bAAACp8EAZwEAgh/C3sgBEEC" +
    "dCEMIAVBAnQhDQNAQQAhBgNAIAAgBiAMbGohCSABIAcgDGxqIQr9DAAAAAAAAAAAAAAAAAAAAAAhEf0MAAAAAAAA" +
    "AAAAAAAAAAAAACEV/QwAAAAAAAAAAAAAAAAAAAAAIRL9DAAAAAAAAAAAAAAAAAAAAAAhFv0MAAAAAAAAAAAAAAAA" +
    "AAAAACET/QwAAAAAAAAAAAAAAAAAAAAAIRf9DAAAAAAAAAAAAAAAAAAAAAAhFP0MAAAAAAAAAAAAAAAAAAAAACEY" +
    "IAQhCANAIAr9AAQAIQ4gCv0ABBAhDyAJ/QkCACEQIBEgECAO/eYB/eQBIREgFSAQIA/95gH95AEhFSAJIAxq/QkC" +
    "ACEQIBIgECAO/eYB/eQBIRIgFiAQIA/95gH95AEhFiAJIAxBAXRq/QkCACEQIBMgECAO/eYB/eQBIRMgFyAQIA/9" +
    "5gH95AEhFyAJIAxBA2xq/QkCACEQIBQgECAO/eYB/eQBIRQgGCAQIA/95gH95AEhGCAJQQRqIQkgCkEgaiEKIAhB" +
    "AWsiCA0ACyACIAYgDWwgB0ECdGpqIQsgCyAR/QsEACALIBX9CwQQIAsgDWohCyALIBL9CwQAIAsgFv0LBBAgCyAN" +
    "aiELIAsgE/0LBAAgCyAX/QsEECALIA1qIQsgCyAU/QsEACALIBj9CwQQIAZBBGoiBiADSQ0ACyAHQQhqIgcgBUkN" +
    "AAsL";
  const MOST = 36; // images at once: what 64 MiB have room for

  function bytes(base64) {
    const letters = atob(base64);
    const result = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) result[i] = letters.charCodeAt(i);
    return result;
  }

  // The kernel, or nothing where there is no WebAssembly with SIMD: then plain JavaScript does it.
  let kernel = null;
  try {
    if (!model.plain)
      kernel = new WebAssembly.Instance(new WebAssembly.Module(bytes(KERNEL))).exports;
  } catch {
    kernel = null;
  }
  const memory = kernel ? kernel.memory.buffer : new ArrayBuffer(2 ** 26);
  let used = 0;
  function array(length) {
    const made = new Float32Array(memory, used, length);
    used += Math.ceil(length / 4) * 16;
    return made;
  }

  // Half precision to single: the sign, then 5 bits of exponent and 10 of fraction to where a single has its
  // own; there the exponent counts from -127, not from -15.
  const weights = {};
  for (const [name, packed] of Object.entries(model.weights)) {
    const halves = new Uint16Array(bytes(packed).buffer);
    const singles = (weights[name] = array(halves.length));
    const bits = new Uint32Array(memory, singles.byteOffset, halves.length);
    for (let i = 0; i < halves.length; i++) {
      bits[i] = ((halves[i] & 0x8000) << 16) | ((halves[i] & 0x7fff) << 13);
      singles[i] *= 2 ** 112;
    }
  }
  const kept = used; // what comes after it is for one call

  // C (m, p) = A (m, k) B (k, p), B in panels of 8 columns.
  function multiply(A, B, C, m, k, p) {
    if (kernel && m % 4 === 0) {
      kernel.matmul(A.byteOffset, B.byteOffset, C.byteOffset, m, k, p);
      return;
    }
    for (let i = 0; i < m; i++)
      for (let j = 0; j < p; j += 8)
        for (let column = 0; column < 8; column++) {
          let sum = 0;
          for (let l = 0; l < k; l++) sum += A[i * k + l] * B[j * k + l * 8 + column];
          C[i * p + j + column] = sum;
        }
  }

  let scratch = null; // the columns of one convolution; the next one uses the place again

  // A convolution: below each output pixel we write the pixels that it sees, panel by panel, then multiply.
  function conv(name, x, n, size, { side = 3, stride = 1, padding = 1 } = {}) {
    const W = weights[`${name}.weight`];
    const bias = weights[`${name}.bias`];
    const outputs = bias.length;
    const k = W.length / outputs; // inputs · side · side
    const out = stride === 1 ? size : size / 2;
    const p = n * out * out;
    const seen = neighbours(n, size, out, side, stride, padding);
    for (let panel = 0, to = 0; panel < p; panel += 8)
      for (let channel = 0; channel < x.length; channel += n * size * size)
        for (let from = panel; from < seen.length; from += p)
          for (let i = from; i < from + 8; i++, to++) scratch[to] = seen[i] < 0 ? 0 : x[channel + seen[i]];
    const result = array(outputs * p);
    multiply(W, scratch, result, outputs, k, p);
    for (let o = 0, i = 0; o < outputs; o++) for (let j = 0; j < p; j++, i++) result[i] += bias[o];
    return result;
  }

  // Where in a channel the side² pixels lie that each output pixel sees; -1 beyond the border.
  function neighbours(n, size, out, side, stride, padding) {
    const places = new Int32Array(side * side * n * out * out);
    let i = 0;
    for (let dy = -padding; dy < side - padding; dy++)
      for (let dx = -padding; dx < side - padding; dx++)
        for (let image = 0; image < n; image++)
          for (let y = dy; y < dy + out * stride; y += stride)
            for (let x = dx; x < dx + out * stride; x += stride) {
              const inside = y >= 0 && y < size && x >= 0 && x < size;
              places[i++] = inside ? (image * size + y) * size + x : -1;
            }
    return places;
  }

  // In each image and group of channels: (x - mean) / √(var + 1e-6) · weight + bias.
  function groupNorm(name, x, n, area) {
    const scale = weights[`${name}.weight`];
    const shift = weights[`${name}.bias`];
    const wide = scale.length / model.config.groups;
    const result = array(x.length);
    for (let image = 0; image < n; image++)
      for (let first = 0; first < scale.length; first += wide) {
        let sum = 0;
        let squares = 0;
        for (let c = first; c < first + wide; c++)
          for (let i = 0, at = (c * n + image) * area; i < area; i++, at++) sum += x[at];
        const mean = sum / (wide * area);
        for (let c = first; c < first + wide; c++)
          for (let i = 0, at = (c * n + image) * area; i < area; i++, at++)
            squares += (x[at] - mean) ** 2;
        const narrow = 1 / Math.sqrt(squares / (wide * area) + 1e-6);
        for (let c = first; c < first + wide; c++)
          for (let i = 0, at = (c * n + image) * area; i < area; i++, at++)
            result[at] = (x[at] - mean) * narrow * scale[c] + shift[c];
      }
    return result;
  }

  // x · sigmoid(x), in place.
  function silu(x) {
    for (let i = 0; i < x.length; i++) x[i] /= 1 + Math.exp(-x[i]);
    return x;
  }

  // W v + b for each of n vectors that lie one after the other.
  function linear(name, v, n) {
    const W = weights[`${name}.weight`];
    const bias = weights[`${name}.bias`];
    const wide = W.length / bias.length;
    const result = array(n * bias.length);
    for (let image = 0; image < n; image++)
      for (let o = 0; o < bias.length; o++) {
        let sum = bias[o];
        for (let i = 0; i < wide; i++) sum += W[o * wide + i] * v[image * wide + i];
        result[image * bias.length + o] = sum;
      }
    return result;
  }

  // sin(ω_i t), then cos(ω_i t), with ω_i = 10000^(-i / (half - 1)).
  function timeEmbedding(t, n) {
    const wide = model.config.channels[0];
    const half = wide / 2;
    const result = array(n * wide);
    for (let image = 0; image < n; image++)
      for (let i = 0; i < half; i++) {
        const angle = t[image] * 10000 ** (-i / (half - 1));
        result[image * wide + i] = Math.sin(angle);
        result[image * wide + half + i] = Math.cos(angle);
      }
    return result;
  }

  // x + f(x, time), f two convolutions; the time enters as a bias for each channel.
  function residual(name, x, time, n, size) {
    const area = size * size;
    let h = conv(`${name}.conv1`, silu(groupNorm(`${name}.norm1`, x, n, area)), n, size);
    const bias = linear(`${name}.time`, silu(time.slice()), n);
    const channels = h.length / (n * area);
    for (let c = 0, i = 0; c < channels; c++)
      for (let image = 0; image < n; image++)
        for (let pixel = 0; pixel < area; pixel++, i++) h[i] += bias[image * channels + c];
    h = conv(`${name}.conv2`, silu(groupNorm(`${name}.norm2`, h, n, area)), n, size);
    const past = weights[`${name}.shortcut.weight`]
      ? conv(`${name}.shortcut`, x, n, size, { side: 1, padding: 0 })
      : x;
    for (let i = 0; i < h.length; i++) h[i] += past[i];
    return h;
  }

  // x + W softmax(q kᵀ / √C) v over the positions of each image, with one head.
  function attention(name, x, n, size) {
    if (!weights[`${name}.qkv.weight`]) return x;
    const area = size * size;
    const channels = x.length / (n * area);
    const one = { side: 1, padding: 0 };
    const qkv = conv(`${name}.qkv`, groupNorm(`${name}.norm`, x, n, area), n, size, one);
    const next = n * area; // from a channel to the next; q, k and v lie one after the other
    const h = array(x.length);
    const share = new Float64Array(area);
    for (let image = 0; image < n; image++)
      for (let i = 0; i < area; i++) {
        let [most, total] = [-Infinity, 0];
        share.fill(0);
        for (let c = 0, q = image * area; c < channels; c++, q += next)
          for (let j = 0, k = q + x.length; j < area; j++) share[j] += qkv[q + i] * qkv[k + j];
        for (let j = 0; j < area; j++) most = Math.max(most, share[j]);
        for (let j = 0; j < area; j++)
          total += share[j] = Math.exp((share[j] - most) / Math.sqrt(channels));
        for (let c = 0, at = image * area; c < channels; c++, at += next) {
          let sum = 0;
          for (let j = 0, v = at + 2 * x.length; j < area; j++) sum += share[j] * qkv[v + j];
          h[at + i] = sum / total;
        }
      }
    const out = conv(`${name}.out`, h, n, size, one);
    for (let i = 0; i < out.length; i++) out[i] += x[i];
    return out;
  }

  // Each pixel four times.
  function twice(x, size) {
    const wide = 2 * size;
    const result = array(4 * x.length);
    for (let i = 0; i < result.length; i++) {
      const image = Math.floor(i / (wide * wide));
      const y = Math.floor(i / wide) % wide;
      result[i] = x[image * size * size + (y >> 1) * size + ((i % wide) >> 1)];
    }
    return result;
  }

  function join(x, y) {
    const result = array(x.length + y.length);
    result.set(x);
    result.set(y, x.length);
    return result;
  }

  // The predicted noise for n images x, one after the other, and their n steps t.
  // condition: n vectors to add to the embedding of the time. skips: false puts zeros in the place
  // of what the way up should see of the way down. watch(name, x, size): each stage's output.
  function eps(images, t, { condition = null, skips = true, watch = () => {} } = {}) {
    const n = t.length;
    const { channels, blocks } = model.config;
    let size = model.config.size;
    if (n < 1 || n > MOST)
      throw new Error(`${n} images were asked for; this page draws 1 to ${MOST} at once.`);
    used = kept;
    scratch = array(n * size * size * 9 * 2 * Math.max(...channels));
    const time = linear("time.2", silu(linear("time.0", timeEmbedding(t, n), n)), n);
    if (condition) condition.forEach((value, i) => (time[i] += value));
    let x = array(images.length);
    x.set(images);
    x = conv("conv_in", x, n, size);
    watch("conv in", x, size);
    const stack = [x];
    channels.forEach((_, level) => {
      for (let block = 0; block < blocks; block++) {
        const name = `down.${level}.blocks.${block}`;
        x = attention(`${name}.1`, residual(`${name}.0`, x, time, n, size), n, size);
        stack.push(x);
        watch("down", x, size);
      }
      if (level === channels.length - 1) return;
      x = conv(`down.${level}.resize.conv`, x, n, size, { stride: 2, padding: 0 });
      size /= 2;
      stack.push(x);
      watch("halve", x, size);
    });
    x = residual("middle.0", x, time, n, size);
    x = residual("middle.2", attention("middle.1", x, n, size), time, n, size);
    watch("middle", x, size);
    channels.forEach((_, level) => {
      for (let block = 0; block <= blocks; block++) {
        const name = `up.${level}.blocks.${block}`;
        const past = stack.pop();
        x = residual(`${name}.0`, join(x, skips ? past : new Float32Array(past.length)), time, n, size);
        x = attention(`${name}.1`, x, n, size);
        watch("up", x, size);
      }
      if (level === channels.length - 1) return;
      x = conv(`up.${level}.resize.conv`, twice(x, size), n, 2 * size);
      size *= 2;
      watch("double", x, size);
    });
    x = silu(groupNorm("norm_out", x, n, size * size));
    return conv("conv_out", x, n, size).slice(); // a copy: the next call uses the place again
  }

  return { eps, quick: kernel !== null };
}
