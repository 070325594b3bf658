"use strict";
/* The exercise on a worked example (`{live-exercise-example}`): it is
   graded as a reply, and then the model is asked with it. */

{
  const { unitconv } = window;

  /* How many significant digits a number has, of six: 1 for 6000. */
  function countDigits(value) {
    const [digits] = value.toExponential(5).split("e");
    return digits.replace(".", "").replace(/0+$/, "").length;
  }

  /* What is wrong with an example by itself, or null. */
  function findFault({ question, reply }) {
    const conversion = unitconv.parseQuestion(question);
    if (!conversion) return "the question asks for no conversion.";
    const answer = unitconv.parseAnswer(reply);
    if (Number.isNaN(answer)) return "the reply has no answer in its tag.";
    const asked = { text: question, answer: conversion.answer };
    const reason = unitconv.rejectionReason(
      unitconv.grade(asked, reply), conversion.answer);
    if (reason !== null) return `the reply is not fit: ${reason}.`;
    if (countDigits(answer) < 3)
      return "its answer is round: it has fewer than three digits.";
    return null;
  }

  class Example extends unitconv.LiveExercise {
    constructor(figure) {
      super(figure);
      const { question, reply } = this.form.elements;
      this.shown = {
        question: question.defaultValue, reply: reply.defaultValue,
      };
    }

    async check(example, signal) {
      await unitconv.loadGrader();
      const fault = findFault(example);
      if (fault !== null) return fault;
      const llm = await unitconv.load("base");
      const own = unitconv.withExample(llm, this.shown, example);
      const asked = this.data.asked.split("\n");
      const answered = await this.countAnswered(own, asked, signal);
      if (answered >= Number(this.data.goal)) return null;
      return `with it, the model closes ${answered} of ${asked.length} `
        + "replies with an answer in the tag.";
    }

    async countAnswered(llm, asked, signal) {
      let answered = 0;
      for (const [number, question] of asked.entries()) {
        this.note.textContent = `Question ${number + 1} ...`;
        const { text } = await llm.generate(question, { signal });
        answered += Number(!Number.isNaN(unitconv.parseAnswer(text)));
      }
      return answered;
    }
  }

  for (const figure of document.querySelectorAll(".live-exercise-example"))
    new Example(figure);
}
