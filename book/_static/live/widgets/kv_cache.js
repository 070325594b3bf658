"use strict";
/* The widget that counts what a KV cache saves (`{live-kv-cache}`). The
   page holds the model's sizes: nothing has to be loaded. */

{
  const { unitconv } = window;

  function millions(count) {
    const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
    return (count / 1e6).toLocaleString("en", digits);
  }

  function sum(values) {
    return values.reduce((total, value) => total + value, 0);
  }

  function drawBars(place, counts, most) {
    const bars = counts.map((count) =>
      unitconv.make("i", { style: `--share:${count / most}` }));
    place.replaceChildren(...bars);
  }

  class KvCache extends unitconv.LiveFigure {
    constructor(figure) {
      super(figure);
      const { dataset } = figure.querySelector(".kv-charts");
      const names = ["weights", "pairs", "logits"];
      this.work = Object.fromEntries(
        names.map((name) => [name, Number(dataset[name])]));
      this.bars = figure.querySelectorAll(".kv-bars");
      this.rows = figure.querySelectorAll("tbody tr");
      this.form.addEventListener("input", () => this.submit());
    }

    async run() {
      const { prompt, reply } = this.fields();
      const tokens = unitconv.replyWork(this.work, prompt, reply);
      const columns = ["without", "cached"].map((name) =>
        tokens.map((token) => token[name]));
      const most = Math.max(...columns[0]);
      columns.forEach((counts, i) => drawBars(this.bars[i], counts, most));
      this.fill([
        columns.map((counts) => counts[0]),
        columns.map((counts) => counts.at(-1)),
        columns.map(sum),
      ]);
    }

    /* Fill the rows: first token, last token, whole reply. */
    fill(numbers) {
      numbers.forEach((counts, i) => {
        const cells = this.rows[i].querySelectorAll("td");
        cells.forEach((cell, k) => {
          cell.textContent = millions(counts[k]);
        });
      });
      const [without, cached] = numbers.at(-1);
      const times = (without / cached).toFixed(1);
      this.finish(`Without the cache it is ${times} times the work.`);
    }
  }

  for (const figure of document.querySelectorAll(".live-kv-cache"))
    new KvCache(figure);
}
