"use strict";
/* The widget with the advantages of a group of replies (`{live-rl}`). */

{
  const { unitconv } = window;
  const { LiveFigure, make, advantages, tokenWeights } = unitconv;

  const signed = (value, digits) =>
    (value > 0 ? "+" : "") + value.toPrecision(digits);

  /* Say which way the tokens of a reply go, and how far. */
  function describe({ length, surprise }, gain, weight) {
    if (!gain) return "Advantage 0: nothing is learned from it.";
    const way = gain > 0 ? "\u25b2 likelier" : "\u25bc less likely";
    const most = surprise
      ? `, most of all token ${surprise.number}, \u201c${surprise.text}`
        + `\u201d, which had a chance of ${surprise.percent} %` : "";
    return `Advantage ${signed(gain, 3)}, times the weight of a token `
      + `${signed(gain * weight, 2)}: its ${length} tokens become `
      + `${way}${most}.`;
  }

  /* A reply of the group, with a box for its reward. */
  class Reply {
    constructor(item, onChange) {
      this.text = item.querySelector(".live-text");
      this.words = item.querySelector(".live-words");
      this.length = Number(item.dataset.tokens);
      this.box = make("input", { type: "checkbox" });
      this.box.checked = item.dataset.reward === "1";
      this.box.addEventListener("change", onChange);
      const label = make("label", {}, this.box, "Right: reward 1.");
      item.querySelector(".live-reward").replaceChildren(label);
    }

    get reward() {
      return Number(this.box.checked);
    }

    /* Write each token by itself: the surer the model was of a token, the
       less can change, and the paler it is. */
    setTokens(tokens, chances) {
      this.length = tokens.length;
      const spans = tokens.map((text) => make("span", {}, text));
      spans.forEach((span, i) => {
        const strength = 8 + 37 * (1 - chances[i]);
        span.style.setProperty("--live-strength", `${strength}%`);
      });
      this.text.replaceChildren(...spans);
      const least = chances.indexOf(Math.min(...chances));
      const unseen = tokens[least] ? "space" : "end";
      const text = tokens[least].trim() || unseen;
      const percent = (100 * chances[least]).toFixed(0);
      this.surprise = { number: least + 1, text, percent };
    }

    show(gain, weight) {
      this.text.classList.toggle("live-up", gain > 0);
      this.text.classList.toggle("live-down", gain < 0);
      this.words.textContent = describe(this, gain, weight);
    }
  }

  class Group extends LiveFigure {
    constructor(figure) {
      super(figure);
      this.question = this.part("question");
      this.list = figure.querySelector("ol");
      this.replies = [...this.list.children]
        .map((item) => this.adopt(item));
      this.loss = this.form.elements.loss;
      this.loss.addEventListener("change", () => this.update());
      this.update();
      this.status.textContent = ""; // nothing has happened yet
    }

    adopt(item) {
      return new Reply(item, () => this.update());
    }

    /* Compute the advantages of the rewards that are ticked. */
    update() {
      if (!this.replies.length) return; // cancelled before the first
      const loss = this.loss.value;
      const rewards = this.replies.map(({ reward }) => reward);
      const lengths = this.replies.map(({ length }) => length);
      const gains = advantages(rewards, loss);
      const weights = tokenWeights(lengths, gains, loss);
      this.replies.forEach((reply, i) => reply.show(gains[i], weights[i]));
      const right = rewards.filter(Boolean).length;
      const mean = unitconv.show(right / rewards.length);
      const [up, down] = [1, -1].map((sign) =>
        gains.filter((gain) => gain * sign > 0).length);
      const outcome = up + down
        ? `${up} become likelier, ${down} less likely`
        : "nothing is learned";
      this.finish(`Mean reward ${mean}; of ${rewards.length} replies `
        + `${outcome}.`);
    }

    async run(signal) {
      const { question, replies, loss, ...settings } = this.fields();
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
      this.replies = [];
      for (let sample = 0; sample < replies; sample++) {
        this.note.textContent = `Reply ${sample + 1} of ${replies} ...`;
        await this.sample(llm, { text: question, answer },
          { ...settings, sample, signal });
      }
      this.update();
    }

    /* Sample a reply; its reward is 1 where chapter 9 would keep it. */
    async sample(llm, question, options) {
      const text = make("p", { class: "live-text" });
      const item = make("li", {}, text, make("p", { class: "live-verdict" },
        make("span", { class: "live-reward" }), " ",
        make("span", { class: "live-words" })));
      this.list.append(item);
      const onToken = (token) => { text.textContent = token.text; };
      const reply = await unitconv.sampleWithChances(
        llm, question.text, { ...options, onToken });
      const graded = unitconv.grade(question, reply.text);
      const reason = unitconv.rejectionReason(graded, question.answer);
      item.dataset.reward = Number(reason === null);
      const made = this.adopt(item);
      const { ids, chances } = reply;
      const tokens = ids.map((id) => llm.tokenizer.decode([id]));
      made.setTokens(tokens, chances);
      made.words.textContent = reason ?? "right answer, valid reasoning";
      this.replies.push(made);
    }
  }

  for (const figure of document.querySelectorAll(".live-rl"))
    new Group(figure);
}
