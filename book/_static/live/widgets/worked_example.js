"use strict";
/* The course model with a worked example of the reader's own. */

window.unitconv = window.unitconv || {};
{
  /* The same model, with `example` in the place of the prompt's own, which
     is `shown`. Each has a `question` and a `reply`. */
  function withExample(llm, shown, example) {
    class Shown extends window.unitconv.LLM {
      /* The tokens of a prompt: only the template's special tokens are
         special, whatever is typed. */
      encode(question) {
        const others = [
          [shown.question, example.question],
          [shown.reply, example.reply],
        ];
        const { tokenizer, task } = this;
        return tokenizer.encodePrompt(task.prompts.cot, question, others);
      }
    }
    return new Shown(llm);
  }

  window.unitconv.withExample = withExample;
}
