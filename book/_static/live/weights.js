"use strict";
/* Weights: from a script's text to float32, and LoRA adapters merged in. */

window.unitconv = window.unitconv || {};
{
  const { decodeBase64 } = window.unitconv;

  async function gunzip(bytes) {
    const stream = new Blob([bytes]).stream()
      .pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  /* bfloat16 is the upper half of a float32. */
  function fromBfloat16(halves) {
    const bits = new Uint32Array(halves.length);
    for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
    return new Float32Array(bits.buffer);
  }

  /* Decode a data script's tensors to a Map: name to shape and values. */
  async function decodeTensors({ format, shapes, gzip }) {
    const numbers = await gunzip(decodeBase64(gzip));
    const all = format === "bfloat16"
      ? fromBfloat16(new Uint16Array(numbers))
      : new Float32Array(numbers);
    const tensors = new Map();
    let start = 0;
    for (const [name, shape] of shapes) {
      const end = start + shape.reduce((count, size) => count * size, 1);
      tensors.set(name, { shape, values: all.subarray(start, end) });
      start = end;
    }
    return tensors;
  }

  /* LoRA (Hu et al. 2021, arXiv:2106.09685): W + scale * B A.
     `down` is A, [rank, columns]; `up` is B, [rows, rank]. */
  function addLora(weight, down, up, scale) {
    const [rows, columns] = weight.shape;
    const [rank] = down.shape;
    const values = weight.values.slice();
    for (let row = 0; row < rows; row++) {
      for (let r = 0; r < rank; r++) {
        const factor = scale * up.values[row * rank + r];
        const read = down.values.subarray(r * columns, (r + 1) * columns);
        for (let i = 0; i < columns; i++)
          values[row * columns + i] += factor * read[i];
      }
    }
    return { shape: weight.shape, values };
  }

  /* The base's tensors with an adapter merged in; the base's own stay as
     they are. */
  function mergeAdapter(base, adapter, scale) {
    const merged = new Map(base);
    for (const [name, down] of adapter) {
      if (!name.includes(".lora_A.")) continue;
      const up = adapter.get(name.replace(".lora_A.", ".lora_B."));
      const target = name.replace(".lora_A.", ".");
      merged.set(target, addLora(base.get(target), down, up, scale));
    }
    return merged;
  }

  Object.assign(window.unitconv, { decodeTensors, mergeAdapter });
}
