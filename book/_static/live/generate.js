"use strict";
/* From a question to a reply: prompt, loop, stop rule, streaming. */

window.unitconv = window.unitconv || {};
{
  const { rowKey, chooseToken } = window.unitconv;

  const PATIENCE = 12; // ms of work before the page gets its turn

  const DEFAULTS = {
    temperature: 0, // greedy
    topP: 1,
    seed: 0,
    sample: 0, // number of the sample, for several of one prompt
    maxNewTokens: 192,
    style: null, // of the prompt; by default that of the training
    onToken: () => {}, // called with { id, text }, the text so far
    observe: null, // what each head looks at: see Model.newCache
    signal: null, // an AbortSignal
  };

  function checkQuestion(question) {
    if (!/[^\p{White_Space}\x1c-\x1f]/u.test(question))
      throw new Error("the question is empty: ask something");
    if (/\p{Surrogate}/u.test(question))
      throw new Error("the question holds a broken Unicode code");
  }

  /* Let the page paint and react, unless it did a moment ago. */
  class Pauses {
    constructor(signal) {
      this.signal = signal;
      this.last = performance.now();
    }

    async pause() {
      if (performance.now() - this.last > PATIENCE) {
        await new Promise((resolve) => setTimeout(resolve));
        this.last = performance.now();
      }
      this.signal?.throwIfAborted();
    }
  }

  /* A model with its tokenizer and prompts: text in, text out. */
  class LLM {
    /* `task` holds the prompts by style, and where a reply stops. */
    constructor({ name, model, tokenizer, task, style }) {
      Object.assign(this, { name, model, tokenizer, task, style });
    }

    /* The tokens of a question's prompt. */
    encode(question, style = this.style) {
      checkQuestion(question);
      const template = this.task.prompts[style];
      if (template === undefined) {
        const known = Object.keys(this.task.prompts).join(", ");
        throw new Error(`no prompt style ${style}: there are ${known}`);
      }
      return this.tokenizer.encodePrompt(template, question);
    }

    /* A reply ends at an end-of-text token or after its closing tag. */
    stops(ids) {
      if (this.task.stopIds.includes(ids[ids.length - 1])) return true;
      const text = this.tokenizer.decode(ids, { withSpecial: true });
      return text.includes(this.task.stopText);
    }

    /* How many tokens may follow a prompt. */
    tokenLimit(prompt, limit) {
      const { context } = this.model.sizes;
      if (prompt.length < context)
        return Math.min(limit, context - prompt.length);
      throw new Error(`the prompt has ${prompt.length} tokens and the `
        + `model's context holds ${context}: shorten the question`);
    }

    /* Answer a question: { text, ids, stopped }, where `stopped` says that
       the reply ended by itself. An aborted call throws an AbortError. */
    async generate(question, options = {}) {
      const settings = { ...DEFAULTS, ...options };
      const { seed, sample, onToken } = settings;
      const prompt = this.encode(question, settings.style ?? this.style);
      const limit = this.tokenLimit(prompt, settings.maxNewTokens);
      const key = rowKey(seed, prompt, sample);
      const pauses = new Pauses(settings.signal);
      const cache = this.model.newCache(settings.observe);
      const ids = [];
      await this.prefill(prompt, cache, pauses);
      for (;;) {
        const logits = this.logitsAfter(prompt, ids, cache);
        const id = chooseToken(logits, settings, key, ids.length);
        ids.push(id);
        const text = this.tokenizer.decode(ids);
        onToken({ id, text });
        const stopped = this.stops(ids);
        if (stopped || ids.length === limit) return { text, ids, stopped };
        await pauses.pause();
      }
    }

    /* Read the prompt, but for its last token. */
    async prefill(prompt, cache, pauses) {
      for (let i = 0; i + 1 < prompt.length; i++) {
        this.model.read(prompt[i], i, cache);
        await pauses.pause();
      }
    }

    /* Read the last token, and score the next one. In one go: another
       reply may use the working memory while this one pauses. */
    logitsAfter(prompt, ids, cache) {
      const last = ids.length ? ids[ids.length - 1] : prompt.at(-1);
      this.model.read(last, prompt.length + ids.length - 1, cache);
      return this.model.logits();
    }
  }

  window.unitconv.LLM = LLM;
}
