"use strict";
/* A padded batch, decoded row by row: what the model writes with padding
   on the left or on the right, with or without mask and positions. */

window.unitconv = window.unitconv || {};
{
  /* Pad rows of tokens to the width of the longest. The mask is 1 on
     tokens and 0 on padding. A position is the running sum of the mask,
     less one; or the column, unless `placed`. */
  function padRows(rows, { side, pad, masked = true, placed = true }) {
    const width = Math.max(...rows.map((row) => row.length));
    return rows.map((row) => {
      const padding = Array(width - row.length).fill(pad);
      const isLeft = side === "left";
      const ids = isLeft ? [...padding, ...row] : [...row, ...padding];
      const real = isLeft
        ? [...padding.map(() => 0), ...row.map(() => 1)]
        : [...row.map(() => 1), ...padding.map(() => 0)];
      let sum = 0;
      const counted = real.map((bit) => Math.max((sum += bit) - 1, 0));
      return {
        ids, real,
        mask: masked ? real : real.map(() => 1),
        positions: placed ? counted : real.map((_, column) => column),
        next: placed ? row.length : width, // position of the first token
      };
    });
  }

  /* Continue one row greedily, with at most `limit` tokens. */
  function writeRow(llm, { ids, mask, positions, next }, limit) {
    const { model } = llm;
    const cache = model.newCache();
    const seen = [...mask];
    ids.forEach((id, place) => {
      // Padding before the text, if it is hidden, is seen by nobody.
      if (seen.slice(0, place + 1).includes(1))
        model.read(id, positions[place], cache, { place, mask: seen });
    });
    const written = [];
    for (;;) {
      const greedy = { temperature: 0 };
      written.push(window.unitconv.chooseToken(model.logits(), greedy));
      if (llm.stops(written) || written.length === limit) return written;
      const position = next + written.length - 1;
      const place = seen.push(1) - 1;
      model.read(written.at(-1), position, cache, { place, mask: seen });
    }
  }

  /* Write a reply for each text, in a batch or alone: the padded `rows`,
     and the texts that follow `alone` and in the `batch`. */
  async function writeBatch(texts, { limit, padding, ...settings }) {
    const llm = await window.unitconv.load("base");
    const pad = llm.tokenizer.ids.get(padding);
    const prompts = texts.map((text) => llm.encode(text, "raw"));
    const longest = Math.max(...prompts.map((ids) => ids.length));
    if (longest + limit > llm.model.sizes.context)
      throw new Error("A text is too long: shorten it.");
    const rows = padRows(prompts, { ...settings, pad });
    const decode = (row) => llm.tokenizer.decode(writeRow(llm, row, limit));
    const single = prompts.flatMap((ids) => padRows([ids], { pad }));
    const [alone, batch] = [single, rows].map((all) => all.map(decode));
    return { rows, alone, batch };
  }

  Object.assign(window.unitconv, { padRows, writeBatch });
}
