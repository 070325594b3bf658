"use strict";
/* The widget that cuts a text into tokens (`{live-tokens}`).

   The page holds the tokens of a text. The first change of the form loads
   the tokenizer, but no weights. */

{
  const { unitconv } = window;

  /* How many tokens there are, and how many of which kind. */
  function countTokens(tokenizer, ids) {
    const kinds = ids.map((id) =>
      unitconv.describeToken(tokenizer, id).kind);
    const count = (kind) => kinds.filter((one) => one === kind).length;
    return `${ids.length} tokens; digits: ${count("digit")}; `
      + `special: ${count("special")}.`;
  }

  class Tokens extends unitconv.LiveFigure {
    constructor(figure) {
      super(figure);
      this.form.addEventListener("input", () => this.submit());
    }

    async run(signal) {
      const tokenizer = await unitconv.loadTokenizer();
      signal.throwIfAborted();
      const { text, style } = this.fields();
      const { prompts } = unitconv.data.course.task;
      const ids = tokenizer.encodePrompt(prompts[style], text);
      const chips = this.figure.querySelector(".chips");
      unitconv.drawChips(chips, tokenizer, ids);
      this.finish(countTokens(tokenizer, ids));
    }
  }

  for (const figure of document.querySelectorAll(".live-tokens"))
    new Tokens(figure);
}
