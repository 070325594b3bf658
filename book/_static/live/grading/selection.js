/* Rejection sampling: which of a question's replies are trained on.

   The same as unitconv/training: rollouts.py says why a reply is rejected,
   rejection_sampling.py chooses among the others. */
"use strict";

{
  const { isCorrect } = unitconv.answer;
  const { grade, pathKey } = unitconv;

  // The grader's 5 % would let in other units.
  const KEEP_TOLERANCE = 0.01;
  const MAX_PATHS = 2; // of one question

  /* Return why a graded reply is rejected, or null if it is kept. */
  function rejectionReason({ answer, correct, fault }, truth) {
    if (Number.isNaN(answer)) return "no answer";
    if (!correct) return "wrong answer";
    if (!isCorrect(answer, truth, KEEP_TOLERANCE)) return "near miss";
    return fault;
  }

  /* Choose the first replies of different paths, at most `maxPaths`. */
  class Selection {
    /* The question is {text, answer}, as for `grade`. */
    constructor(question, maxPaths = MAX_PATHS) {
      this.question = question;
      this.maxPaths = maxPaths;
      this.paths = new Map(); // of the chosen replies, with their numbers
      this.count = 0;
    }

    /* Add a reply. Returns its claims, the `reason` why it is rejected
       (null if it is kept), whether it is `chosen`, and the number of the
       chosen reply with the same path, `like` (null if there is none). */
    add(reply) {
      const number = this.count++;
      const graded = grade(this.question, reply);
      const reason = rejectionReason(graded, this.question.answer);
      const outcome = { claims: graded.claims, reason };
      if (reason !== null) return { ...outcome, chosen: false, like: null };
      const path = JSON.stringify(pathKey(reply));
      const like = this.paths.get(path) ?? null;
      const chosen = like === null && this.paths.size < this.maxPaths;
      if (chosen) this.paths.set(path, number);
      return { ...outcome, chosen, like };
    }
  }

  unitconv.rejectionReason = rejectionReason;
  unitconv.Selection = Selection;
}
