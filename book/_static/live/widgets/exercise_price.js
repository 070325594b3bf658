"use strict";
/* The exercise on the price of a reply without a cache
   (`{live-exercise-price}`): the tokens that the model really reads. */

{
  const { unitconv } = window;

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

  const mostLikely = (model) =>
    unitconv.chooseToken(model.logits(), { temperature: 0 });

  /* Read all tokens again for each new one. */
  function writeWithout(model, prompt, length) {
    const ids = [...prompt];
    while (ids.length < prompt.length + length) {
      const cache = model.newCache();
      ids.forEach((id, position) => model.read(id, position, cache));
      ids.push(mostLikely(model));
    }
  }

  /* Read each token once. */
  function writeWith(model, prompt, length) {
    const ids = [...prompt];
    const cache = model.newCache();
    for (let position = 0; ids.length < prompt.length + length;) {
      for (; position < ids.length; position++)
        model.read(ids[position], position, cache);
      ids.push(mostLikely(model));
    }
  }

  /* Count both for a prompt of some tokens. */
  function countBoth(llm, length, reply) {
    const { model } = llm;
    const question = "How many gram are there per 6 kg?";
    const prompt = llm.encode(question).slice(0, length);
    return {
      without: countReads(model, () => writeWithout(model, prompt, reply)),
      with: countReads(model, () => writeWith(model, prompt, reply)),
    };
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
      const counted = countBoth(llm, Number(prompt), Number(reply));
      return findFault(said, counted);
    }
  }

  for (const figure of document.querySelectorAll(".live-exercise-price"))
    new Price(figure);
}
