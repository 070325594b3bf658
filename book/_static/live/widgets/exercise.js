"use strict";
/* What the exercises share that the page checks. A check says what is
   wrong, and not what is right, in the words of the notebook's. */

window.unitconv = window.unitconv || {};
{
  class LiveExercise extends window.unitconv.LiveFigure {
    /* An exercise says in `check(fields, signal)` what is wrong with an
       answer: a sentence, or null if nothing is. */
    async run(signal) {
      this.note.textContent = "Checking ...";
      const fault = await this.check(this.fields(), signal);
      signal.throwIfAborted();
      this.figure.classList.toggle("live-solved", fault === null);
      this.finish(fault === null ? "Solved." : `Not yet: ${fault}`);
    }

    /* What the build wrote for the script. */
    get data() {
      return this.part("question").dataset;
    }
  }

  window.unitconv.LiveExercise = LiveExercise;
}
