"use strict";
/* A reply that is written step by step: the same loop as in generate.js,
   but one can look at each step, change the settings, and go back. */

window.unitconv = window.unitconv || {};
{
  const { unitconv } = window;
  const LIMIT = 192; // tokens of a reply

  class ReplySteps {
    /* `ids` are tokens of the reply that are written already. */
    constructor(llm, question, ids = []) {
      this.llm = llm;
      this.ids = [...ids];
      this.prompt = llm.encode(question);
      this.limit = llm.tokenLimit(this.prompt, LIMIT);
      this.cache = llm.model.newCache();
      this.scores = []; // the logits of each step so far
      for (let i = 0; i + 1 < this.prompt.length; i++)
        llm.model.read(this.prompt[i], i, this.cache);
    }

    /* The logits of the next token. Steps that were not read are. */
    logits() {
      while (this.scores.length <= this.ids.length) {
        const before = this.ids.slice(0, this.scores.length);
        const logits = this.llm.logitsAfter(
          this.prompt, before, this.cache);
        this.scores.push(logits.slice()); // the model will reuse its own
      }
      return this.scores[this.ids.length];
    }

    /* The noise that picks the next token. */
    noise(seed) {
      const key = unitconv.rowKey(seed, this.prompt, 0);
      return unitconv.uniform(key, this.ids.length);
    }

    /* The next token under some settings. */
    draw({ seed, temperature, topP }) {
      const key = unitconv.rowKey(seed, this.prompt, 0);
      const settings = { temperature, topP };
      return unitconv.chooseToken(
        this.logits(), settings, key, this.ids.length);
    }

    /* How often each token is drawn with `count` seeds. */
    tally({ seed, ...settings }, count) {
      const drawn = new Map();
      for (let i = 0; i < count; i++) {
        const id = this.draw({ ...settings, seed: seed + i });
        drawn.set(id, (drawn.get(id) ?? 0) + 1);
      }
      return drawn;
    }

    get finished() {
      return this.ids.length === this.limit || this.llm.stops(this.ids);
    }

    /* Write the next token. */
    next(settings) {
      if (!this.finished) this.ids.push(this.draw(settings));
    }

    /* Take the last token back. */
    back() {
      this.ids.pop();
      this.scores.length = Math.min(
        this.scores.length, this.ids.length + 1);
    }
  }

  /* Where each token's stretch of the cumulative distribution ends. */
  function cumulate(probabilities) {
    let sum = 0;
    return probabilities.map((value) => (sum += value));
  }

  /* The likeliest tokens, and one more if it is not among them. */
  function likeliest(probabilities, count, more) {
    const ids = [...probabilities.keys()];
    ids.sort((a, b) => probabilities[b] - probabilities[a]);
    const shown = ids.slice(0, count);
    return shown.includes(more) ? shown : [...shown, more];
  }

  Object.assign(unitconv, { ReplySteps, cumulate, likeliest });
}
