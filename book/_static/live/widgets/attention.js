"use strict";
/* The widget that shows what a head looks at (`{live-attention}`).

   The page holds the look of one token. The first use of the form lets
   the model reply, and keeps the attention weights of every head. */

{
  const { unitconv } = window;
  const { make, showText } = unitconv;
  const NAMED = 4; // tokens that are named in words

  function percent(weight) {
    return weight >= 0.005 ? `${Math.round(100 * weight)}%` : "";
  }

  /* Where the question's turn begins in a prompt. */
  function questionTurn(tokenizer, prompt) {
    const opening = tokenizer.ids.get("<|im_start|>");
    return prompt.lastIndexOf(opening, prompt.lastIndexOf(opening) - 1);
  }

  /* Where a key leads, from one token to another. */
  function keyTarget(key, position, first, last) {
    const targets = {
      ArrowLeft: position - 1,
      ArrowRight: position + 1,
      Home: first,
      End: last,
    };
    if (!(key in targets)) return null;
    return Math.min(Math.max(targets[key], first), last);
  }

  function drawing(name, attributes = {}) {
    const made = document.createElementNS(
      "http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes))
      made.setAttribute(key, value);
    return made;
  }

  /* An arc from the top of one box to the top of another. */
  function arc(from, to, weight) {
    const middle = (box) => box.offsetLeft + box.offsetWidth / 2;
    const x = middle(from), y = from.offsetTop;
    const toX = middle(to), toY = to.offsetTop;
    const rise = Math.min(8 + Math.abs(x - toX) / 12, 18);
    const height = Math.min(y, toY) - rise;
    return drawing("path", {
      d: `M${x} ${y} C${x} ${height} ${toX} ${height} ${toX} ${toY}`,
      "stroke-width": 1 + 3 * weight,
      opacity: 0.3 + 0.6 * weight,
    });
  }

  class Attention extends unitconv.LiveFigure {
    constructor(figure) {
      super(figure);
      this.chips = figure.querySelector(".chips");
      this.position = Number(this.chips.dataset.position);
      this.record = null;
      this.arcs = drawing("svg", { class: "arcs", "aria-hidden": true });
      new ResizeObserver(() => this.record && this.drawArcs())
        .observe(this.chips);
      this.form.addEventListener("change", ({ target }) => {
        if (target.name === "question") return; // waits for the button
        if (this.record) this.draw();
        else this.submit();
      });
      this.chips.addEventListener("keydown", (event) => this.move(event));
    }

    /* Let the model reply. */
    async run(signal) {
      const { question } = this.form.elements;
      const same = question.value === question.defaultValue;
      this.note.textContent = "The model reads and replies ...";
      const llm = await unitconv.load("base");
      signal.throwIfAborted();
      this.tokenizer = llm.tokenizer;
      this.record = await unitconv.recordAttention(
        llm, question.value, signal);
      const { tokens, prompt } = this.record;
      if (!same) this.position = prompt.length; // the reply's first token
      this.turn = questionTurn(this.tokenizer, prompt);
      this.last = tokens.length - 2; // the last one is never read
      this.draw();
    }

    /* The first token that is shown. */
    get start() {
      return this.form.elements.whole.checked ? 0 : this.turn;
    }

    get weights() {
      const { layer, head } = this.form.elements;
      return this.record.weights(
        Number(layer.value), Number(head.value), this.position);
    }

    /* Draw the tokens anew, each as a button that makes it look. */
    draw() {
      const { start } = this;
      this.position = Math.min(Math.max(this.position, start), this.last);
      const { tokens } = this.record;
      const chips = unitconv.drawChips(
        this.chips, this.tokenizer, tokens.slice(start));
      this.buttons = chips.map((chip, i) => {
        const button = make(
          "button", { type: "button" }, ...chip.childNodes);
        button.disabled = start + i > this.last;
        button.addEventListener("click", () => this.choose(start + i));
        chip.append(button);
        return button;
      });
      this.shade();
    }

    choose(position) {
      this.position = position;
      this.shade();
    }

    move(event) {
      const { key } = event;
      const target = this.record
        && keyTarget(key, this.position, this.start, this.last);
      if (target === null) return;
      event.preventDefault();
      this.choose(target);
      this.buttons[target - this.start].focus();
    }

    /* Shade the tokens by how much the chosen one looks at them. */
    shade() {
      const { start, weights, position } = this;
      this.buttons.forEach((button, i) => {
        const weight = weights[start + i] ?? 0;
        const chosen = start + i === position;
        const chip = button.parentElement;
        chip.style.setProperty("--weight", weight);
        if (chosen) chip.setAttribute("aria-current", "true");
        else chip.removeAttribute("aria-current");
        button.setAttribute("aria-pressed", chosen);
        button.tabIndex = chosen ? 0 : -1; // one stop of the Tab key
        button.querySelector("small").textContent = percent(weight);
      });
      this.drawArcs();
      this.say();
    }

    /* Arcs from the chosen token to those it looks at, behind the text. */
    drawArcs() {
      const { start, weights, position } = this;
      const chips = this.buttons.map((button) => button.parentElement);
      const from = chips[position - start];
      const paths = chips.flatMap((chip, i) =>
        weights[start + i] >= 0.02 && chip !== from
          ? [arc(from, chip, weights[start + i])] : []);
      this.arcs.replaceChildren(...paths);
      this.chips.prepend(this.arcs);
    }

    text(position) {
      const id = this.record.tokens[position];
      return unitconv.describeToken(this.tokenizer, id).text;
    }

    /* Say what the chosen token looks at most. */
    say() {
      const { start, weights, position } = this;
      const { layer, head } = this.form.elements;
      const shown = [...weights.keys()].slice(start);
      shown.sort((a, b) => weights[b] - weights[a]);
      const most = shown.slice(0, NAMED).filter((i) => percent(weights[i]));
      const before = weights.slice(0, start).reduce((a, b) => a + b, 0);
      const write = (name) => [
        `Layer ${layer.value}, head ${head.value}: `,
        name(position), " looks at ",
        ...(most.length ? most.flatMap((i, n) =>
          [n ? ", " : "", name(i), ` ${percent(weights[i])}`])
          : ["nothing here"]),
        start ? "; at what is before the question, "
          + `${Math.round(100 * before)}%.` : ".",
      ];
      this.note.replaceChildren(...write((i) =>
        make("q", {}, showText(this.text(i)))));
      this.status.textContent = write((i) => `"${this.text(i)}"`).join("");
    }
  }

  for (const figure of document.querySelectorAll(".live-attention"))
    new Attention(figure);
}
