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

/* Load scripts of the widgets that need no page to draw in. */
const WIDGETS = new URL("widgets/", document.currentScript.src);

function loadWidgets(...names) {
  return Promise.all(names.map((name) => new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = new URL(`${name}.js`, WIDGETS).href;
    script.onload = resolve;
    document.head.append(script);
  })));
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

  /* The tokens of a text as the widget shows them. */
  async describeTokens({ text, style }) {
    await loadWidgets("live_figure", "chips");
    const tokenizer = await window.unitconv.loadTokenizer();
    const prompt = window.unitconv.data.course.task.prompts[style];
    return tokenizer.encodePrompt(prompt, text).map((id) =>
      ({ id, ...window.unitconv.describeToken(tokenizer, id) }));
  },

  /* Write a reply step by step, as the buttons of the widget do. */
  async writeSteps({ question, ids = [], actions, settings }) {
    await loadWidgets("reply_steps");
    const llm = await window.unitconv.load("base");
    const steps = new window.unitconv.ReplySteps(llm, question, ids);
    for (const action of actions) steps[action](settings);
    while (actions.length === 0 && !steps.finished) steps.next(settings);
    return steps.ids;
  },

  /* The token that each seed draws after some others, and their tally. */
  async drawSeeds({ question, ids, seeds, settings }) {
    await loadWidgets("reply_steps");
    const llm = await window.unitconv.load("base");
    const steps = new window.unitconv.ReplySteps(llm, question, ids);
    const drawn = Array.from({ length: seeds }, (_, seed) =>
      steps.draw({ ...settings, seed }));
    const tally = steps.tally({ ...settings, seed: 0 }, seeds);
    return { drawn, tally: [...tally] };
  },

  /* All attention weights of a question and its reply. */
  async attention({ question }) {
    await loadWidgets("attention_record");
    const llm = await window.unitconv.load("base");
    const { layers, heads } = llm.model.sizes;
    const { tokens, weights } =
      await window.unitconv.recordAttention(llm, question);
    const rows = (layer, head) => tokens.slice(0, -1).map((_, position) =>
      [...weights(layer, head, position)]);
    const all = (count, make) => Array.from({ length: count }, make);
    return { tokens, weights: all(layers, (_, layer) =>
      all(heads, (_, head) => rows(layer, head))) };
  },

  /* The multiply-adds that the widget says, and those of the runtime, for
     each token of a reply. */
  async countWork({ work, prompt, reply }) {
    await loadWidgets("kv_work");
    const llm = await window.unitconv.load("base");
    const said = window.unitconv.replyWork(work, prompt, reply);
    return { said, done: countReply(llm.model, prompt, reply) };
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

/* Count the multiply-adds of a reply, with a cache and without. */
function countReply(model, prompt, reply) {
  const { kernel, sizes } = model;
  const { multiply } = kernel;
  let count = 0;
  kernel.multiply = (matrix, vector, out) => {
    count += out.length * vector.length;
    multiply(matrix, vector, out);
  };
  const observe = (layer, head, weights) => {
    count += 2 * sizes.headDim * weights.length;
  };
  const write = (from, to, cache) => {
    count = 0;
    for (let i = from; i < to; i++) model.read(7, i, cache);
    model.logits();
    return count;
  };
  const cache = model.newCache(observe);
  const done = Array.from({ length: reply }, (_, i) => ({
    without: write(0, prompt + i, model.newCache(observe)),
    cached: write(i && prompt + i - 1, prompt + i, cache),
  }));
  kernel.multiply = multiply;
  return done;
}

window.answerRequests = answerRequests;
