"use strict";
/* The widget that asks the course model a question (`{ask-model}`).

   The page holds the form, hidden, and a recorded reply. This shows the
   form, and writes what the model replies over the record. */

{
  const { unitconv } = window;

  /* Grade a reply: its verdict in words, and its claims. */
  async function grade(question, reply) {
    await unitconv.loadGrader();
    const conversion = unitconv.parseQuestion(question);
    if (!conversion)
      return { verdict: "not graded: no question of the task", claims: [] };
    const asked = { text: question, answer: conversion.answer };
    const { correct, fault, claims } = unitconv.grade(asked, reply);
    const answer = correct ? "right answer" : "wrong answer";
    return { verdict: `${answer}, ${fault ?? "valid reasoning"}`, claims };
  }

  function readSettings(form) {
    const fields = new FormData(form);
    return {
      question: fields.get("question"),
      name: fields.get("model"),
      temperature: Number(fields.get("temperature")),
      seed: Number(fields.get("seed")),
    };
  }

  class AskModel {
    constructor(figure) {
      const find = (part) => figure.querySelector(`.ask-${part}`);
      this.question = find("question");
      this.reply = find("reply");
      this.note = find("note");
      this.status = find("status");
      this.running = new AbortController();
      this.form = figure.querySelector("form");
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.submit();
      });
      this.form.hidden = false;
    }

    /* Ask; a question that is still being answered is dropped. */
    async submit() {
      this.running.abort();
      this.running = new AbortController();
      const { signal } = this.running;
      try {
        await this.answer(readSettings(this.form), signal);
      } catch (error) {
        if (!signal.aborted) this.finish(error.message);
      }
    }

    async answer({ question, name, ...settings }, signal) {
      this.question.textContent = question;
      this.reply.textContent = "";
      this.note.textContent = "Loading the model ...";
      const llm = await unitconv.load(name);
      signal.throwIfAborted();
      this.note.textContent = "The model writes ...";
      const onToken = ({ text }) => { this.reply.textContent = text; };
      const options = { ...settings, onToken, signal };
      const begin = performance.now();
      const { text, ids } = await llm.generate(question, options);
      const seconds = (performance.now() - begin) / 1000;
      const { verdict, claims } = await grade(question, text);
      signal.throwIfAborted();
      this.reply.replaceChildren(unitconv.markReply(text, claims));
      const speed = `${ids.length} tokens in ${seconds.toFixed(2)} s`;
      this.finish(`${speed}: ${verdict}.`);
    }

    /* Show the outcome, and have it read out with the reply. */
    finish(note) {
      this.note.textContent = note;
      this.status.textContent = `${this.reply.textContent} ${note}`;
    }
  }

  for (const figure of document.querySelectorAll(".ask-model"))
    new AskModel(figure);
}
