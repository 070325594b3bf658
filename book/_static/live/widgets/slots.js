"use strict";
/* The widget that steps through a decoder with slots (`{live-slots}`). */

{
  const { schedule, countSteps, LiveFigure } = window.unitconv;

  const ROW = 22; // pixels
  const NARROW = 0.05; // of the width: a bar without its number
  const PACE = 60; // ms a step
  const MOST_REPLIES = 64;
  const LONGEST = 512; // tokens: the model's context

  const isStill = window.matchMedia("(prefers-reduced-motion: reduce)");

  /* Read lengths; throw an error that says what is wrong with them. */
  function readLengths(text) {
    const lengths = text.split(/[\s,;]+/).filter(Boolean).map(Number);
    const isLength = (n) => Number.isInteger(n) && n > 0 && n <= LONGEST;
    if (!lengths.length || lengths.length > MOST_REPLIES)
      throw new Error(`Give 1 to ${MOST_REPLIES} replies.`);
    if (lengths.every(isLength)) return lengths;
    throw new Error(`A reply has 1 to ${LONGEST} tokens: whole numbers.`);
  }

  /* Merge equal steps of a slot that follow each other. */
  function stays(steps, slots) {
    const found = [];
    for (let slot = 0; slot < slots; slot++) {
      let last = null;
      steps.forEach((step, at) => {
        const cell = step[slot];
        if (last && cell?.reply === last.reply
            && cell.waits === last.waits) last.end = at + 1;
        else if (cell)
          found.push(last = { ...cell, slot, start: at, end: at + 1 });
        else last = null;
      });
    }
    return found;
  }

  function draw(tag, attributes, text = "") {
    const name = "http://www.w3.org/2000/svg";
    const element = document.createElementNS(name, tag);
    for (const [key, value] of Object.entries(attributes))
      element.setAttribute(key, value);
    element.textContent = text;
    return element;
  }

  /* Draw a stay; `width` is the number of steps in the whole picture. */
  function drawStay({ slot, reply, waits, start, end }, width) {
    const kind = waits ? "waits" : `bar-${reply % 2}`;
    const x = `${(100 * start) / width}%`;
    const y = slot * ROW;
    const rectangle = draw("rect", {
      class: `live-${kind}`, x, y: y + 1, height: ROW - 2,
      width: `${(100 * (end - start)) / width}%`,
    });
    if (waits || end - start < NARROW * width) return [rectangle];
    return [rectangle, draw("text", { x, dx: 4, y: y + 16 }, reply + 1)];
  }

  /* One of the two pictures: with refill, or without. */
  class Panel {
    constructor(element) {
      this.refill = element.dataset.refill === "true";
      this.note = element.querySelector(".live-note");
      this.svg = element.querySelector("svg");
      [this.title] = this.note.textContent.split(":");
    }

    plan(lengths, slots) {
      this.slots = slots;
      this.steps = schedule(lengths, slots, this.refill);
      this.svg.setAttribute("height", slots * ROW);
    }

    /* Draw the first `count` steps. */
    show(count, width) {
      const { slots } = this;
      const shown = this.steps.slice(0, count);
      const bars = stays(shown, slots);
      this.svg.replaceChildren(
        ...bars.flatMap((stay) => drawStay(stay, width)));
      const { steps, idle } = countSteps(shown, slots);
      this.svg.setAttribute("aria-label",
        `Bars of replies in ${slots} slots over ${steps} steps`);
      const room = steps * slots;
      const share = room ? Math.round((100 * idle) / room) : 0;
      const s = steps === 1 ? "" : "s";
      const isOver = count >= this.steps.length ? "" : " so far";
      this.note.textContent = `${this.title}: ${steps} step${s}${isOver}; `
        + `${idle} of ${room} slot-steps idle (${share} %).`;
    }
  }

  class Slots extends LiveFigure {
    constructor(figure) {
      super(figure);
      const { lengths, slots, step } = this.form.elements;
      this.slider = step;
      this.panels = [...figure.querySelectorAll(".live-panel")]
        .map((element) => new Panel(element));
      for (const field of [lengths, slots])
        field.addEventListener("input", () => this.plan());
      step.addEventListener("input", () => this.stop());
      this.part("next").addEventListener("click", () => this.next());
      this.button = this.form.querySelector("[type=submit]");
      this.plan();
    }

    /* Plan both schedules, and show them to the end. */
    plan() {
      this.stop();
      const { lengths, slots } = this.fields();
      this.error = null;
      try {
        const read = readLengths(lengths);
        const used = Math.min(slots, read.length);
        for (const panel of this.panels) panel.plan(read, used);
      } catch (error) {
        this.status.textContent = this.error = error.message;
        for (const panel of this.panels)
          panel.note.textContent = error.message;
        return;
      }
      this.width = Math.max(...this.panels.map((p) => p.steps.length));
      this.slider.max = this.width;
      this.moveTo(this.width);
    }

    moveTo(step) {
      this.slider.value = step;
      this.showRanges();
      for (const panel of this.panels)
        panel.show(step, Math.max(this.width, 1));
    }

    /* Stop playing; say where the schedules are. */
    stop() {
      clearInterval(this.timer);
      this.timer = null;
      if (this.button) this.button.textContent = "Play";
      if (this.width !== undefined) this.moveTo(Number(this.slider.value));
    }

    next() {
      this.stop();
      if (this.error) return;
      const at = Number(this.slider.value);
      this.moveTo(at < this.width ? at + 1 : 1);
      this.say();
    }

    say() {
      const notes = this.panels.map(({ note }) => note.textContent);
      this.status.textContent = notes.join(" ");
    }

    /* Play from here, or from the beginning; a second time, stop. */
    run() {
      const isPlaying = this.timer;
      this.stop();
      if (this.error) return;
      if (isPlaying) return this.say();
      const at = Number(this.slider.value);
      if (at === this.width) this.moveTo(0);
      if (isStill.matches) return this.end();
      this.button.textContent = "Pause";
      this.timer = setInterval(() => {
        const reached = Number(this.slider.value) + 1;
        this.moveTo(reached);
        if (reached >= this.width) this.end();
      }, PACE);
    }

    end() {
      this.stop();
      this.moveTo(this.width);
      this.say();
    }
  }

  for (const figure of document.querySelectorAll(".live-slots"))
    new Slots(figure);
}
