"use strict";
/* Forward pass of a Llama, one token at a time: RMSNorm, rotary positions,
   grouped-query attention over a KV cache, SwiGLU. The same as chapter 3
   takes apart in Python. */

window.unitconv = window.unitconv || {};
{
  const { createKernel, layerTensors, outerTensors } = window.unitconv;

  /* RMSNorm: divide by the root of the mean square, times a gain. */
  function rmsNorm(x, gain, eps, out) {
    let squares = 0;
    for (let i = 0; i < x.length; i++) squares += x[i] * x[i];
    const scale = 1 / Math.sqrt(squares / x.length + eps);
    for (let i = 0; i < x.length; i++) out[i] = x[i] * scale * gain[i];
  }

  /* Cosine and sine of each position's angles, in float32 as torch has
     them. */
  function rotaryTable({ context, headDim, theta }) {
    const half = headDim / 2;
    const table = { cos: new Float32Array(context * half) };
    table.sin = new Float32Array(context * half);
    for (let i = 0; i < half; i++) {
      const power = Math.fround(theta ** ((2 * i) / headDim));
      const frequency = Math.fround(1 / power);
      for (let t = 0; t < context; t++) {
        const angle = Math.fround(t * frequency);
        table.cos[t * half + i] = Math.cos(angle);
        table.sin[t * half + i] = Math.sin(angle);
      }
    }
    return table;
  }

  /* Rotary positions: in each head, turn the pair (i, i + half) by an
     angle that grows with the position. */
  function rotate(vector, position, table, headDim) {
    const half = headDim / 2;
    for (let head = 0; head < vector.length; head += headDim) {
      for (let i = 0; i < half; i++) {
        const cos = table.cos[position * half + i];
        const sin = table.sin[position * half + i];
        const x = vector[head + i], y = vector[head + half + i];
        vector[head + i] = x * cos - y * sin;
        vector[head + half + i] = y * cos + x * sin;
      }
    }
  }

  /* Softmax of the first `count` numbers, in place. */
  function softmax(x, count) {
    let largest = -Infinity, sum = 0;
    for (let i = 0; i < count; i++) largest = Math.max(largest, x[i]);
    for (let i = 0; i < count; i++) sum += x[i] = Math.exp(x[i] - largest);
    for (let i = 0; i < count; i++) x[i] /= sum;
  }

  /* One head's attention to places 0 to `last`, but for those whose
     `mask`, if there is one, is 0.

     `from` is the head's first number in `query` and `out`, `kvFrom` that
     of the key and value head it reads, in each row of the cache. */
  function attendHead(query, cache, place, out) {
    const { last, mask, from, kvFrom, dim } = place;
    const { keys, values, width, weights } = cache;
    const scale = 1 / Math.sqrt(dim);
    for (let t = 0; t <= last; t++) {
      let score = 0;
      const key = t * width + kvFrom;
      for (let i = 0; i < dim; i++)
        score += query[from + i] * keys[key + i];
      weights[t] = mask && !mask[t] ? -Infinity : score * scale;
    }
    softmax(weights, last + 1);
    out.fill(0, from, from + dim);
    for (let t = 0; t <= last; t++) {
      const value = t * width + kvFrom;
      for (let i = 0; i < dim; i++)
        out[from + i] += weights[t] * values[value + i];
    }
  }

  /* Grouped-query attention: several query heads read one KV head. */
  function attend(query, cache, { last, mask }, sizes, out) {
    const { heads, kvHeads, headDim: dim } = sizes;
    const group = heads / kvHeads;
    for (let head = 0; head < heads; head++) {
      const kvFrom = Math.floor(head / group) * dim;
      const place = { last, mask, from: head * dim, kvFrom, dim };
      attendHead(query, cache, place, out);
      cache.observe?.(head, cache.weights.subarray(0, last + 1));
    }
  }

  /* SwiGLU: silu(gate) * up, written over the gate. */
  function swiglu(gate, up) {
    for (let i = 0; i < gate.length; i++)
      gate[i] *= up[i] / (1 + Math.exp(-gate[i]));
  }

  function add(x, change) {
    for (let i = 0; i < x.length; i++) x[i] += change[i];
  }

  /* Working memory of a forward pass, in numbers. */
  function scratchSizes({ hidden, heads, kvHeads, headDim, ...sizes }) {
    return {
      x: hidden,
      normed: hidden,
      query: heads * headDim,
      key: kvHeads * headDim,
      value: kvHeads * headDim,
      mixed: heads * headDim,
      gate: sizes.inner,
      up: sizes.inner,
      change: hidden,
      logits: sizes.vocabulary,
    };
  }

  /* Replace each value of an object. */
  function mapValues(object, change) {
    const pairs = Object.entries(object);
    return Object.fromEntries(pairs.map(([k, v]) => [k, change(v)]));
  }

  /* A Llama with its weights in a kernel's memory. */
  class Model {
    constructor(sizes, tensors, options) {
      const scratch = scratchSizes(sizes);
      const counts = [...tensors.values()].map((t) => t.values.length);
      const floats = [...counts, ...Object.values(scratch)];
      const total = floats.reduce((sum, count) => sum + count, 0);
      this.sizes = sizes;
      this.kernel = createKernel(total, options);
      const { allocate } = this.kernel;
      const placed = new Map();
      for (const [name, { values }] of tensors) {
        placed.set(name, allocate(values.length));
        placed.get(name).set(values);
      }
      const find = (name) => placed.get(name);
      this.outer = mapValues(outerTensors(sizes), find);
      this.layers = Array.from({ length: sizes.layers }, (_, layer) =>
        mapValues(layerTensors(layer), find));
      this.scratch = mapValues(scratch, allocate);
      this.rotary = rotaryTable(sizes);
    }

    /* An empty KV cache: keys and values of every layer and position.
       `observe`, if there is one, is called with (layer, head, weights)
       whenever a head has looked at the positions so far; the weights are
       to be copied. */
    newCache(observe = null) {
      const { kvHeads, headDim, context } = this.sizes;
      const width = kvHeads * headDim;
      return this.layers.map((_, layer) => ({
        observe: observe && ((...seen) => observe(layer, ...seen)),
        width,
        keys: new Float32Array(context * width),
        values: new Float32Array(context * width),
        weights: new Float32Array(context), // of the last head computed
      }));
    }

    /* Read a token: its keys and values enter the cache, and the residual
       stream after the last layer stays in the working memory.

       In a padded batch (chapter 5) its `place` in the cache is not its
       position, and a `mask` hides the places of padding. */
    read(token, position, cache, { place = position, mask } = {}) {
      const { x } = this.scratch;
      const start = token * x.length;
      x.set(this.outer.embedding.subarray(start, start + x.length));
      this.layers.forEach((layer, i) => {
        this.attentionBlock(layer, { position, place, mask }, cache[i]);
        this.feedForwardBlock(layer);
      });
    }

    attentionBlock(layer, { position, place, mask }, cache) {
      const { x, normed, query, key, value, mixed, change } = this.scratch;
      const { multiply } = this.kernel;
      const { eps, headDim } = this.sizes;
      rmsNorm(x, layer.norm1, eps, normed);
      multiply(layer.query, normed, query);
      multiply(layer.key, normed, key);
      multiply(layer.value, normed, value);
      rotate(query, position, this.rotary, headDim);
      rotate(key, position, this.rotary, headDim);
      cache.keys.set(key, place * cache.width);
      cache.values.set(value, place * cache.width);
      attend(query, cache, { last: place, mask }, this.sizes, mixed);
      multiply(layer.output, mixed, change);
      add(x, change);
    }

    feedForwardBlock(layer) {
      const { x, normed, gate, up, change } = this.scratch;
      const { multiply } = this.kernel;
      rmsNorm(x, layer.norm2, this.sizes.eps, normed);
      multiply(layer.gate, normed, gate);
      multiply(layer.up, normed, up);
      swiglu(gate, up);
      multiply(layer.down, gate, change);
      add(x, change);
    }

    /* Score every token of the vocabulary as the next one. */
    logits() {
      const { x, normed, logits } = this.scratch;
      rmsNorm(x, this.outer.norm, this.sizes.eps, normed);
      this.kernel.multiply(this.outer.unembedding, normed, logits);
      return logits;
    }
  }

  window.unitconv.Model = Model;
}
