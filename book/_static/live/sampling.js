"use strict";
/* The next token from its logits: greedy, or sampled with temperature and
   top-p. The noise is that of unitconv/inference/sampling.py: a hash of
   (seed, prompt, sample number, position), so the samples are the same. */

window.unitconv = window.unitconv || {};
{
  const { blake2b64 } = window.unitconv;

  /* The constants of SplitMix64. */
  const STEP = 0x9e3779b97f4a7c15n;
  const MIX_1 = 0xbf58476d1ce4e5b9n;
  const MIX_2 = 0x94d049bb133111ebn;
  const BELOW_ONE = 1 - 2 ** -24; // the largest float32 below 1

  const wrap = (bits) => BigInt.asUintN(64, bits);

  /* Hash a request to the 64-bit key of its noise. */
  function rowKey(seed, promptIds, sample) {
    return blake2b64(`${seed}|${sample}|${promptIds.join(",")}`);
  }

  /* Hash a key and a position to a number in [0, 1], in float32. */
  function uniform(key, position) {
    let bits = wrap(key + BigInt(position + 1) * STEP);
    bits = wrap((bits ^ (bits >> 30n)) * MIX_1);
    bits = wrap((bits ^ (bits >> 27n)) * MIX_2);
    bits ^= bits >> 31n;
    return Math.fround(Number(bits >> 11n)) * 2 ** -53;
  }

  /* The most likely token; of equals the first. */
  function argmax(logits) {
    let best = 0;
    for (let i = 1; i < logits.length; i++)
      if (logits[i] > logits[best]) best = i;
    return best;
  }

  /* Divide by the sum. */
  function normalize(x) {
    const sum = Math.fround(x.reduce((total, value) => total + value, 0));
    return x.map((value) => value / sum);
  }

  /* Nucleus sampling (Holtzman et al. 2020, arXiv:1904.09751): zero all
     but the smallest set of tokens whose mass reaches `topP`. */
  function keepTopP(probabilities, topP) {
    const ids = [...probabilities.keys()];
    ids.sort((a, b) => probabilities[b] - probabilities[a]);
    const kept = new Float32Array(probabilities.length);
    let mass = 0;
    for (const id of ids) {
      const before = Math.fround(mass + probabilities[id]);
      if (Math.fround(before - probabilities[id]) >= topP) break;
      kept[id] = probabilities[id];
      mass += probabilities[id];
    }
    return kept;
  }

  /* The distribution that a sample is drawn from, in float32. */
  function tokenProbabilities(logits, temperature, topP = 1) {
    const scaled = logits.map((logit) => logit / temperature);
    const largest = scaled.reduce((a, b) => Math.max(a, b), -Infinity);
    const odds = scaled.map((logit) => Math.exp(logit - largest));
    const probabilities = normalize(odds);
    return topP < 1
      ? normalize(keepTopP(probabilities, topP))
      : probabilities;
  }

  /* Draw a token by inverting the cumulative distribution: the first one
     that carries the sum beyond the noise. */
  function sample(probabilities, noise) {
    let sum = 0;
    const cumulative = probabilities.map((value) => (sum += value));
    const total = cumulative[cumulative.length - 1];
    const target = Math.fround(Math.min(noise, BELOW_ONE) * total);
    return cumulative.findIndex((value) => value > target);
  }

  /* Choose the next token; a temperature of 0 is greedy. */
  function chooseToken(logits, { temperature, topP }, key, position) {
    if (temperature === 0) return argmax(logits);
    const probabilities = tokenProbabilities(logits, temperature, topP);
    return sample(probabilities, uniform(key, position));
  }

  Object.assign(window.unitconv, {
    rowKey, uniform, tokenProbabilities, chooseToken,
  });
}
