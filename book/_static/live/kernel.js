"use strict";
/* Matrix times vector, nearly all of a model's work: with SIMD
   instructions in WebAssembly, or in plain JavaScript where a browser is
   old or the page's host forbids WebAssembly. */

window.unitconv = window.unitconv || {};
{
  /* kernel.wat, assembled. Inline, because a page opened from disk cannot
     fetch a .wasm file. */
  const KERNEL =
    "AGFzbQEAAAABCQFgBX9/f39/AAMCAQAFAwEAAQcVAgZtZW1vcnkCAAhtdWx0aXBs" +
    "eQAACvMBAfABAgN/BHsgASAEQQRsaiEGIAIgA0EEbGohBwNAIAEhBf0MAAAAAAAA" +
    "AAAAAAAAAAAAACEIIAghCSAIIQogCCELA0AgCCAA/QAEACAF/QAEAP3mAf3kASEI" +
    "IAkgAP0ABBAgBf0ABBD95gH95AEhCSAKIAD9AAQgIAX9AAQg/eYB/eQBIQogCyAA" +
    "/QAEMCAF/QAEMP3mAf3kASELIABBwABqIQAgBUHAAGohBSAFIAZJDQALIAggCf3k" +
    "ASAKIAv95AH95AEhCCACIAj9HwAgCP0fAZIgCP0fAiAI/R8DkpI4AgAgAkEEaiEC" +
    "IAIgB0kNAAsL";

  const PAGE = 65536; // bytes; WebAssembly's memory grows by pages

  /* Base64 to bytes. */
  function decodeBase64(text) {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  }

  /* The product of a matrix, row by row, with a vector. Four sums at a
     time, so that no addition waits for the one before it. */
  function multiply(matrix, vector, out) {
    const columns = vector.length;
    for (let row = 0, start = 0; row < out.length; row++) {
      let a = 0, b = 0, c = 0, d = 0;
      for (let i = 0; i < columns; i += 4) {
        a += matrix[start + i] * vector[i];
        b += matrix[start + i + 1] * vector[i + 1];
        c += matrix[start + i + 2] * vector[i + 2];
        d += matrix[start + i + 3] * vector[i + 3];
      }
      out[row] = a + b + (c + d);
      start += columns;
    }
  }

  const PLAIN = {
    simd: false,
    allocate: (count) => new Float32Array(count),
    multiply,
  };

  /* The kernel reads and writes only its own memory: whatever it
     multiplies is allocated there. */
  function simdKernel(floats) {
    const code = new WebAssembly.Module(decodeBase64(KERNEL));
    const { memory, multiply } = new WebAssembly.Instance(code).exports;
    memory.grow(Math.ceil((4 * floats) / PAGE));
    let free = 0;
    return {
      simd: true,
      allocate(count) {
        const array = new Float32Array(memory.buffer, free, count);
        free += 4 * count;
        return array;
      },
      multiply(matrix, vector, out) {
        multiply(matrix.byteOffset, vector.byteOffset, out.byteOffset,
          out.length, vector.length);
      },
    };
  }

  /* A kernel with memory for so many numbers: SIMD where it can be had. */
  function createKernel(floats, { simd = true } = {}) {
    if (!simd) return PLAIN;
    try {
      return simdKernel(floats);
    } catch { // no WebAssembly, no SIMD, or a host that forbids them
      return PLAIN;
    }
  }

  Object.assign(window.unitconv, { createKernel, decodeBase64 });
}
