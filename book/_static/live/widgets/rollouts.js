"use strict";
/* The widget that samples many replies to a question and selects among
   them (`{live-rollouts}`), as chapter 9 does. */

{
  const { unitconv } = window;
  const { LiveFigure, make } = unitconv;

  /* Say in words what becomes of a reply. */
  function describe({ reason, chosen, like }) {
    if (reason !== null) return `Rejected: ${reason}.`;
    if (chosen) return "Kept and trained on.";
    if (like !== null)
      return `Kept, not trained on: the equations of reply ${like + 1}.`;
    return "Kept, not trained on: there are enough ways already.";
  }

  class Rollouts extends LiveFigure {
    constructor(figure) {
      super(figure);
      this.question = this.part("question");
      this.list = this.part("replies");
    }

    async run(signal) {
      const { question, replies, ...settings } = this.fields();
      this.note.textContent = "Loading the model ...";
      await unitconv.loadGrader();
      const conversion = unitconv.parseQuestion(question);
      if (!conversion)
        throw new Error("No question of the task: ask for a conversion.");
      const { answer } = conversion;
      const llm = await unitconv.load("base");
      signal.throwIfAborted();
      this.question.textContent = `${question} (${unitconv.show(answer)})`;
      this.list.replaceChildren();
      const selection = new unitconv.Selection({ text: question, answer });
      const outcomes = [];
      for (let sample = 0; sample < replies; sample++) {
        this.note.textContent = `Reply ${sample + 1} of ${replies} ...`;
        const options = { ...settings, sample, signal };
        const asked = { llm, question, selection };
        outcomes.push(await this.sample(asked, options));
      }
      const kept = outcomes.filter(({ reason }) => reason === null).length;
      const chosen = outcomes.filter((outcome) => outcome.chosen).length;
      const counts = `${kept} kept, ${chosen} trained on`;
      this.finish(`${replies} replies: ${counts}.`);
    }

    /* Write a reply into the list; its claims are marked at the end. */
    async sample({ llm, question, selection }, options) {
      const text = make("p", { class: "live-text" });
      const verdict = make("p", { class: "live-verdict" });
      this.list.append(make("li", {}, text, verdict));
      const onToken = (token) => { text.textContent = token.text; };
      const reply = await llm.generate(question, { ...options, onToken });
      const outcome = selection.add(reply.text);
      text.replaceChildren(unitconv.markReply(reply.text, outcome.claims));
      verdict.textContent = describe(outcome);
      verdict.classList.toggle("live-kept", outcome.reason === null);
      return outcome;
    }
  }

  for (const figure of document.querySelectorAll(".live-rollouts"))
    new Rollouts(figure);
}
