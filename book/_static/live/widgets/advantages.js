"use strict";
/* Advantages of a group of replies, and the weight of a token, for the
   losses of unitconv/training/rl/loss.py. */

window.unitconv = window.unitconv || {};
{
  const MOST_TOKENS = 192; // of a reply

  const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);

  /* The standard deviation of a sample. */
  function deviation(numbers) {
    const mean = sum(numbers) / numbers.length;
    const squares = numbers.map((n) => (n - mean) ** 2);
    return Math.sqrt(sum(squares) / (numbers.length - 1));
  }

  /* How much better each reply is than the others to its question. */
  function advantages(rewards, loss) {
    if (loss === "reinforce") return [...rewards];
    const isMixed = rewards.some((reward) => reward !== rewards[0]);
    if (!isMixed) return rewards.map(() => 0);
    if (loss === "raft") return [...rewards];
    const mean = sum(rewards) / rewards.length;
    const scale = loss === "dr_grpo" ? 1 : deviation(rewards) + 1e-4;
    return rewards.map((reward) => (reward - mean) / scale);
  }

  /* The weight of one token of each reply in the loss of this group. A
     reply without an advantage has no part in it. */
  function tokenWeights(lengths, gains, loss) {
    const learned = lengths.filter((_, i) => gains[i] !== 0);
    const n = lengths.length;
    return lengths.map((length) => {
      if (loss === "dapo" || loss === "raft") return 1 / sum(learned);
      if (loss === "grpo") return 1 / (n * length);
      return 1 / (n * MOST_TOKENS);
    });
  }

  /* Sample a reply, with the chance that each of its tokens had. */
  async function sampleWithChances(llm, question, options) {
    const chances = [];
    const onToken = (token) => {
      const { logits } = llm.model.scratch; // those it was drawn from
      const { tokenProbabilities } = window.unitconv;
      const odds = tokenProbabilities(logits, options.temperature);
      chances.push(odds[token.id]);
      options.onToken?.(token);
    };
    const reply = await llm.generate(question, { ...options, onToken });
    return { ...reply, chances };
  }

  Object.assign(window.unitconv, {
    advantages, tokenWeights, sampleWithChances,
  });
}
