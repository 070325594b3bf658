"use strict";
/* The widget that tries a worked example on twenty questions
   (`{live-prompting}`). */

{
  const { unitconv } = window;
  const { LiveFigure, make, withExample } = unitconv;

  const SIGNS = { right: "\u2713", "no answer": "\u2013" };

  function makeMark(verdict) {
    const kind = verdict === "right" ? "right" : "wrong";
    const sign = SIGNS[verdict] ?? "\u2717";
    return make("span", { class: `live-${kind}` }, sign);
  }

  class Prompting extends LiveFigure {
    constructor(figure) {
      super(figure);
      this.items = [...figure.querySelectorAll("details li")];
      // The default's note stays beside the reader's own.
      this.note = make("p", { class: "live-note" });
      this.marks = this.part("marks").cloneNode();
      this.part("marks").after(this.note, this.marks);
      const { question, reply } = this.form.elements;
      this.shown = {
        question: question.defaultValue, reply: reply.defaultValue,
      };
    }

    async run(signal) {
      const example = this.fields();
      this.note.textContent = "Loading the model ...";
      await unitconv.loadGrader();
      const llm = await unitconv.load("base");
      signal.throwIfAborted();
      this.clear();
      const own = withExample(llm, this.shown, example);
      const found = { answered: 0, right: 0 };
      for (const [n, item] of this.items.entries()) {
        this.say(`Question ${n + 1} ...`, found);
        const failure = await this.ask(own, item, signal);
        found.answered += Number(failure !== "no answer");
        found.right += Number(failure === null);
      }
      this.say("Your example", found);
      this.finish(this.note.textContent);
    }

    say(what, { answered, right }) {
      const n = this.items.length;
      this.note.textContent =
        `${what}: ${answered} of ${n} answered, ${right} right.`;
    }

    clear() {
      this.marks.replaceChildren();
      for (const own of this.figure.querySelectorAll(".live-own"))
        own.remove();
    }

    /* Ask one of the questions; return the failure of the reply. */
    async ask(llm, item, signal) {
      const { question, answer } = item.dataset;
      const asked = { text: question, answer: Number(answer) };
      const { text } = await llm.generate(question, { signal });
      const { failure, claims } = unitconv.grade(asked, text);
      const verdict = failure ?? "right";
      item.append(make("p", { class: "live-own" },
        make("strong", {}, `Yours, ${verdict}: `),
        make("span", { class: "live-text" },
          unitconv.markReply(text, claims))));
      this.marks.append(makeMark(verdict));
      return failure;
    }
  }

  for (const figure of document.querySelectorAll(".live-prompting"))
    new Prompting(figure);
}
