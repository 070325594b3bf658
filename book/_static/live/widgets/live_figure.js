"use strict";
/* What the widgets share: a figure that is complete without scripts, a
   form that the script shows, and work that can be cancelled. */

window.unitconv = window.unitconv || {};
{
  /* Make an element with attributes; a child that is a string is text. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes))
      element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  /* A figure, whose parts are found by their class `live-NAME`. A widget
     says in `run(signal)` what its form does. */
  class LiveFigure {
    constructor(figure) {
      this.figure = figure;
      this.note = this.part("note");
      this.status = this.part("status");
      this.running = new AbortController();
      this.form = figure.querySelector("form");
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.submit();
      });
      this.form.addEventListener("input", () => this.showRanges());
      this.showRanges();
      this.cancel = this.part("cancel");
      this.cancel?.addEventListener("click", () => this.running.abort());
      this.form.hidden = false;
    }

    part(name) {
      return this.figure.querySelector(`.live-${name}`);
    }

    /* The values of the form's fields; those of numbers as numbers. */
    fields() {
      const pairs = [...new FormData(this.form)].map(([name, value]) => {
        const { type } = this.form.elements[name];
        const isNumber = type === "number" || type === "range";
        return [name, isNumber ? Number(value) : value];
      });
      return Object.fromEntries(pairs);
    }

    /* Write the value of a slider beside it. */
    showRanges() {
      for (const shown of this.form.querySelectorAll(".live-value"))
        shown.textContent = shown.closest("label").control.value;
    }

    /* Run; what still runs is dropped. */
    async submit() {
      this.running.abort();
      this.running = new AbortController();
      const { signal } = this.running;
      this.status.textContent = "";
      if (this.cancel) this.cancel.disabled = false;
      try {
        await this.run(signal);
      } catch (error) {
        if (!signal.aborted) this.finish(error.message);
        else if (this.running.signal === signal) this.finish("Cancelled.");
      }
      if (!this.cancel || this.running.signal !== signal) return;
      if (document.activeElement === this.cancel)
        this.form.querySelector("[type=submit]").focus();
      this.cancel.disabled = true;
    }

    /* Show the outcome, and have it read out. */
    finish(note) {
      this.note.textContent = note;
      this.status.textContent = note;
    }
  }

  /* Write a number with at most six digits. */
  const show = (value) => String(Number(value.toPrecision(6)));

  Object.assign(window.unitconv, { make, show, LiveFigure });
}
