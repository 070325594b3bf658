"use strict";
/* The widget that draws the next token (`{live-next-token}`).

   The page holds a step of a reply. The first use of the form loads the
   model and goes on from there. */

{
  const { unitconv } = window;
  const { make, showText } = unitconv;
  const ROWS = 8; // tokens that have a row of their own
  const SEEDS = 20;

  /* All that is shown of a step. */
  function describeStep(steps, settings) {
    const { temperature, topP, seed } = settings;
    const logits = steps.logits();
    const whole = unitconv.tokenProbabilities(logits, temperature);
    const odds = unitconv.tokenProbabilities(logits, temperature, topP);
    const drawn = steps.draw(settings);
    const ends = unitconv.cumulate(odds);
    return {
      odds,
      drawn,
      ends,
      noise: steps.noise(seed),
      shown: unitconv.likeliest(whole, ROWS, drawn),
      start: (id) => (id ? ends[id - 1] : 0),
    };
  }

  function sum(values) {
    return values.reduce((total, value) => total + value, 0);
  }

  class NextToken extends unitconv.LiveFigure {
    constructor(figure) {
      super(figure);
      this.steps = null;
      const { question } = this.form.elements;
      question.addEventListener("change", () => this.act("question"));
      this.form.addEventListener("input", ({ target }) => {
        if (target !== question) this.act("look");
      });
      for (const button of this.form.querySelectorAll("[type=button]"))
        button.addEventListener("click", () => this.act(button.name));
    }

    find(selector) {
      return this.figure.querySelector(selector);
    }

    /* The first button writes the next token. */
    run() {
      return this.act("next");
    }

    /* Do what a button says, and show the step that follows. */
    async act(name) {
      try {
        if (!this.llm) this.note.textContent = "Loading the model ...";
        this.llm ??= await unitconv.load("base");
        this.steps ??= this.recordedSteps();
        this[name]();
        this.show(name === "sample");
      } catch (error) {
        this.finish(error.message);
      }
    }

    /* The steps of the reply in the page. */
    recordedSteps() {
      const ids = JSON.parse(this.find(".live-reply").dataset.ids);
      const { defaultValue } = this.form.elements.question;
      return new unitconv.ReplySteps(this.llm, defaultValue, ids);
    }

    question() {
      const { value } = this.form.elements.question;
      this.steps = new unitconv.ReplySteps(this.llm, value);
      this.find(".live-question").textContent = value;
    }

    look() {}

    sample() {}

    next() {
      this.steps.next(this.fields());
    }

    back() {
      this.steps.back();
    }

    end() {
      while (!this.steps.finished) this.next();
    }

    restart() {
      while (this.steps.ids.length) this.back();
    }

    show(tallied) {
      const { steps } = this;
      const decode = (ids) => steps.llm.tokenizer.decode(ids);
      this.find(".live-written").textContent = decode(steps.ids);
      const settings = this.fields();
      const step = describeStep(steps, settings);
      step.tally = tallied ? steps.tally(settings, SEEDS) : null;
      this.showLine(step);
      this.showRows(step);
      this.showDraw(step);
    }

    name(id) {
      const { tokenizer } = this.steps.llm;
      return showText(tokenizer.decode([id], { withSpecial: true }));
    }

    /* The cumulative distribution, with the noise on it. */
    showLine({ shown, start, ends, noise, tally }) {
      const segments = shown.map((id) => {
        const place = `--from:${start(id)};--to:${ends[id]}`;
        return make("i", { style: place }, this.name(id));
      });
      const { seed } = this.fields();
      const others = Array.from({ length: tally ? SEEDS : 0 }, (_, i) =>
        this.mark(this.steps.noise(seed + i)));
      const own = this.mark(noise, make("span", {}, "u"));
      this.find(".cdf").replaceChildren(...segments, ...others, own);
    }

    mark(noise, ...name) {
      return make("b", { style: `--at:${noise}` }, ...name);
    }

    showRows({ shown, odds, drawn, start, ends, tally }) {
      const rows = shown.map((id) => {
        const stretch = odds[id] === 0 ? "cut by top-p"
          : `${start(id).toFixed(3)}\u2013${ends[id].toFixed(3)}`;
        const row = this.row(this.name(id), odds[id], stretch);
        if (id === drawn) row.className = "drawn";
        if (tally) row.append(make("td", {}, `${tally.get(id) ?? 0}`));
        return row;
      });
      const rest = 1 - sum(shown.map((id) => odds[id]));
      const others = `${odds.length - shown.length} others`;
      const last = this.row(others, Math.max(rest, 0), "elsewhere");
      if (tally) {
        const counted = sum(shown.map((id) => tally.get(id) ?? 0));
        last.append(make("td", {}, `${SEEDS - counted}`));
      }
      this.find("tbody").replaceChildren(...rows, last);
      this.find(".tally").hidden = !tally;
    }

    row(name, share, stretch) {
      const bar = { class: "odds", style: `--share:${share}` };
      return make("tr", {},
        make("th", { scope: "row" }, name),
        make("td", bar, share.toFixed(3)),
        make("td", {}, stretch));
    }

    /* Which token the noise picks, in the text and in words. */
    showDraw({ drawn, start, ends, noise, tally }) {
      const { finished, ids, llm } = this.steps;
      const mark = finished ? [] : [this.name(drawn)];
      this.find("mark").replaceChildren(...mark);
      if (finished) {
        this.finish("The reply is complete.");
        return;
      }
      const from = start(drawn).toFixed(3), to = ends[drawn].toFixed(3);
      const place = `Token ${ids.length + 1}: u = ${noise.toFixed(3)} `
        + `falls between ${from} and ${to}, the stretch of `;
      const { seed } = this.fields();
      const counted = tally ? ` The seeds ${seed} to ${seed + SEEDS - 1} `
        + `draw it ${tally.get(drawn)} times out of ${SEEDS}.` : "";
      const text = llm.tokenizer.decode([drawn], { withSpecial: true });
      this.status.textContent = `${place}"${text}".${counted}`;
      this.note.replaceChildren(
        place, make("q", {}, this.name(drawn)), `.${counted}`);
    }
  }

  for (const figure of document.querySelectorAll(".live-next-token"))
    new NextToken(figure);
}
