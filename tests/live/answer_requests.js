"use strict";
/* What the tests ask of the runtime, in a page or in Node. */

/* Answer requests, one after the other; one that fails is answered with
   its error. */
async function answerRequests(requests) {
  const replies = [];
  for (const { does, ...request } of requests)
    replies.push(await ANSWERS[does](request).catch(describe));
  return replies;
}

function describe(error) {
  return { error: `${error.name}: ${error.message}` };
}

const ANSWERS = {
  async generate({ model, simd = true, question, options }) {
    const llm = await window.unitconv.load(model, { simd });
    return llm.generate(question, options);
  },

  async encode({ question, style }) {
    const llm = await window.unitconv.load("base");
    return llm.encode(question, style);
  },

  async decode({ ids, withSpecial }) {
    const llm = await window.unitconv.load("base");
    return llm.tokenizer.decode(ids, { withSpecial });
  },

  async hash({ text }) {
    await window.unitconv.load("base");
    return window.unitconv.blake2b64(text).toString();
  },

  async uniform({ key, position }) {
    await window.unitconv.load("base");
    return window.unitconv.uniform(BigInt(key), position);
  },

  async probabilities({ logits, temperature, topP }) {
    await window.unitconv.load("base");
    const { tokenProbabilities } = window.unitconv;
    const row = Float32Array.from(logits);
    return [...tokenProbabilities(row, temperature, topP)];
  },

  /* The logits after each token of a text. */
  async logits({ model, simd, ids }) {
    const llm = await window.unitconv.load(model, { simd });
    const cache = llm.model.newCache();
    return ids.map((id, position) => {
      llm.model.read(id, position, cache);
      return [...llm.model.logits()];
    });
  },

  async usesSimd({ model }) {
    return (await window.unitconv.load(model)).model.kernel.simd;
  },

  /* How often a timer of the page had its turn during a reply. */
  async countTurns({ model, simd, question }) {
    const llm = await window.unitconv.load(model, { simd });
    let turns = 0;
    const timer = setInterval(() => turns++);
    await llm.generate(question);
    clearInterval(timer);
    return turns;
  },

  /* Abort a reply after some tokens: the texts that `onToken` saw. */
  async abort({ model, question, after }) {
    const llm = await window.unitconv.load(model);
    const controller = new AbortController();
    const texts = [];
    const onToken = ({ text }) => {
      texts.push(text);
      if (texts.length === after) controller.abort();
    };
    const options = { onToken, signal: controller.signal };
    const reply = await llm.generate(question, options).catch(describe);
    return { texts, ...reply };
  },
};

window.answerRequests = answerRequests;
