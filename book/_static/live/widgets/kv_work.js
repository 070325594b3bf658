"use strict";
/* Multiply-adds of a model for each token of a reply, with a KV cache and
   without. Only products of matrices and attention are counted. */

window.unitconv = window.unitconv || {};
{
  /* A pass that reads up to `tokens`, after those that are cached.
     `weights` are the multiply-adds for each token read, `pairs` those for
     each token that it looks at, `logits` those of the head. */
  function readWork({ weights, pairs, logits }, tokens, cached = 0) {
    const triangle = (n) => (n * (n + 1)) / 2;
    const looks = triangle(tokens) - triangle(cached);
    return weights * (tokens - cached) + pairs * looks + logits;
  }

  /* For each token of a reply: { without, cached }. */
  function replyWork(work, prompt, reply) {
    return Array.from({ length: reply }, (_, i) => ({
      without: readWork(work, prompt + i),
      cached: readWork(work, prompt + i, i ? prompt + i - 1 : 0),
    }));
  }

  window.unitconv.replyWork = replyWork;
}
