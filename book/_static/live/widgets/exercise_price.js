"use strict";
/* The exercise on the price of a reply without a cache
   (`{live-exercise-price}`): the tokens that the model really reads. */

{
  const { unitconv } = window;
  const QUESTION = "How many gram are there per 6 kg?"; // any will do

  /* Count the tokens that a model reads while something runs. */
  function countReads(model, run) {
    let count = 0;
    model.read = (...given) => {
      count += 1;
      Object.getPrototypeOf(model).read.apply(model, given);
    };
    try {
      run();
    } finally {
      delete model.read; // what the prototype has is back
    }
    return count;
  }

  /* Write a reply of some tokens. `keep` says whether what was read stays
     in the cache, or all is read again for each new token. */
  function write(model, prompt, length, keep) {
    const ids = [...prompt];
    let cache = model.newCache(), read = 0;
    while (ids.length < prompt.length + length) {
      if (!keep) [cache, read] = [model.newCache(), 0];
      for (; read < ids.length; read++) model.read(ids[read], read, cache);
      ids.push(unitconv.chooseToken(model.logits(), { temperature: 0 }));
    }
  }

  /* Count both. */
  function countBoth(model, prompt, reply) {
    const count = (keep) =>
      countReads(model, () => write(model, prompt, reply, keep));
    return { without: count(false), with: count(true) };
  }

  /* Compare the numbers of an answer with those that were counted. */
  function findFault(said, counted) {
    for (const [name, why] of [
      ["without", "Which tokens are read for the second one of the reply?"],
      ["with", "Is every token of the reply read?"],
    ]) {
      const more = counted[name] > said[name] ? "more" : "fewer";
      if (counted[name] !== said[name])
        return `${name} the cache the model read ${more} tokens. ${why}`;
    }
    return null;
  }

  class Price extends unitconv.LiveExercise {
    async check(said, signal) {
      const llm = await unitconv.load("base");
      signal.throwIfAborted();
      const { prompt, reply } = this.data;
      const ids = llm.encode(QUESTION).slice(0, prompt);
      return findFault(said, countBoth(llm.model, ids, Number(reply)));
    }
  }

  for (const figure of document.querySelectorAll(".live-exercise-price"))
    new Price(figure);
}
