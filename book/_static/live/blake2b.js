"use strict";
/* BLAKE2b (RFC 7693), the hash that the library takes its noise from. */

window.unitconv = window.unitconv || {};
{
  const MASK = (1n << 64n) - 1n;
  const IV = [
    0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn,
    0xa54ff53a5f1d36f1n, 0x510e527fade682d1n, 0x9b05688c2b3e6c1fn,
    0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
  ];
  /* Which word of the message each step reads, a row for each round; the
     last two rounds read as the first two. */
  const ORDER = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
  ];
  /* Columns, then diagonals of the 4 x 4 words of state. */
  const QUARTERS = [
    [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
    [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
  ];
  const BLOCK = 128; // bytes

  function rotateRight(word, places) {
    return (word >> places) | ((word << (64n - places)) & MASK);
  }

  /* Mix two words of the message into a quarter of the state. */
  function mix(v, [a, b, c, d], x, y) {
    v[a] = (v[a] + v[b] + x) & MASK;
    v[d] = rotateRight(v[d] ^ v[a], 32n);
    v[c] = (v[c] + v[d]) & MASK;
    v[b] = rotateRight(v[b] ^ v[c], 24n);
    v[a] = (v[a] + v[b] + y) & MASK;
    v[d] = rotateRight(v[d] ^ v[a], 16n);
    v[c] = (v[c] + v[d]) & MASK;
    v[b] = rotateRight(v[b] ^ v[c], 63n);
  }

  /* Fold one block into the hash; `length` counts the bytes so far. */
  function compress(hash, block, length, last) {
    const view = new DataView(block.buffer);
    const words = Array.from({ length: 16 }, (_, i) =>
      view.getBigUint64(8 * i, true));
    const v = [...hash, ...IV];
    v[12] ^= BigInt(length);
    if (last) v[14] ^= MASK;
    for (let round = 0; round < 12; round++) {
      const order = ORDER[round % 10];
      QUARTERS.forEach((quarter, i) => {
        const x = words[order[2 * i]], y = words[order[2 * i + 1]];
        mix(v, quarter, x, y);
      });
    }
    return hash.map((word, i) => word ^ v[i] ^ v[i + 8]);
  }

  /* Hash a text, not an empty one, to 8 bytes, as an unsigned BigInt,
     little-endian. */
  function blake2b64(text) {
    const bytes = new TextEncoder().encode(text);
    let hash = [...IV];
    hash[0] ^= 0x01010008n; // fan-out 1, depth 1, no key, 8 bytes of digest
    for (let start = 0; start < bytes.length; start += BLOCK) {
      const end = Math.min(start + BLOCK, bytes.length);
      const block = new Uint8Array(BLOCK); // padded with zeros
      block.set(bytes.subarray(start, end));
      hash = compress(hash, block, end, end === bytes.length);
    }
    return hash[0];
  }

  window.unitconv.blake2b64 = blake2b64;
}
