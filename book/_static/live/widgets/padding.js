"use strict";
/* The widget that pads a batch on either side (`{live-padding}`). */

{
  const { unitconv } = window;
  const { LiveFigure, make } = unitconv;

  const LIMIT = 24; // tokens of a reply

  /* Write a token so that one sees it. */
  const showToken = (text) => text.replace(/^ +$/, "\u2423")
    .replaceAll("\n", "\u21b5");

  const oneLine = (text) => text.trim().replace(/\s+/g, " ");

  /* Write a row of the batch: tokens, mask and positions. */
  function makeRow({ ids, real, mask, positions }, tokenizer) {
    const tokens = ids.map((id, column) =>
      real[column] ? showToken(tokenizer.decode([id])) : "pad");
    const lines = { token: tokens, mask, position: positions };
    return make("tbody", {}, ...Object.entries(lines).map(
      ([name, cells]) => make("tr", {},
        make("th", { scope: "row" }, name),
        ...cells.map((cell, column) => make("td",
          real[column] ? {} : { class: "live-pad" }, String(cell))))));
  }

  /* Say whether a row of the batch is continued as it would be alone. */
  function makeReply(alone, batch) {
    const isSame = alone === batch;
    const text = (words) =>
      make("span", { class: "live-text" }, oneLine(words));
    const lines = isSame
      ? [make("p", {}, "The same as alone: ", text(batch))]
      : [make("p", {}, make("strong", {}, "Not as alone: "), text(batch)),
        make("p", {}, "Alone: ", text(alone))];
    return make("li", {}, ...lines);
  }

  class Padding extends LiveFigure {
    async run(signal) {
      const { mask, positions, ...texts } = this.fields();
      this.note.textContent = "Loading the model ...";
      const llm = await unitconv.load("base");
      const settings = {
        limit: LIMIT,
        padding: this.figure.querySelector("form").dataset.padding,
        masked: mask === "on",
        placed: positions === "on",
      };
      const changed = [];
      for (const panel of this.figure.querySelectorAll(".live-panel")) {
        signal.throwIfAborted();
        const { side } = panel.dataset;
        const found = await unitconv.writeBatch(
          Object.values(texts), { ...settings, side });
        this.show(panel, found, llm.tokenizer);
        const same = found.batch.filter((b, i) => b === found.alone[i]);
        changed.push(`${side}: ${same.length} of ${found.batch.length}`);
      }
      this.finish(`Rows continued as alone, ${changed.join("; ")}.`);
    }

    show(panel, { rows, alone, batch }, tokenizer) {
      panel.querySelector("table").replaceChildren(
        ...rows.map((row) => makeRow(row, tokenizer)));
      panel.querySelector("ol").replaceChildren(
        ...batch.map((text, i) => makeReply(alone[i], text)));
    }
  }

  for (const figure of document.querySelectorAll(".live-padding"))
    new Padding(figure);
}
