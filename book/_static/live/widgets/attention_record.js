"use strict";
/* What every head looks at while the model reads a question and replies:
   the softmax of model.js, copied for each head and token. */

window.unitconv = window.unitconv || {};
{
  /* A reply, and `weights(layer, head, position)`: how much the token at
     a position looks at each token up to itself. The last token of a reply
     has none, for the model never reads it. */
  async function recordAttention(llm, question, signal) {
    const { layers, heads } = llm.model.sizes;
    const rows = Array.from({ length: layers * heads }, () => []);
    const observe = (layer, head, weights) =>
      rows[layer * heads + head].push(weights.slice());
    const prompt = llm.encode(question);
    const { ids } = await llm.generate(question, { observe, signal });
    return {
      tokens: [...prompt, ...ids],
      prompt,
      weights: (layer, head, position) =>
        rows[layer * heads + head][position],
    };
  }

  window.unitconv.recordAttention = recordAttention;
}
