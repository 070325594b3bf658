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
        const texts = [
          [shown.question, example.question],
          [shown.reply, example.reply],
          ["{question}", question],
        ];
        const fill = (part) => {
          const found = texts.find(([slot]) => part.includes(slot));
          return found ? part.replace(found[0], () => found[1]) : part;
        };
        const { tokenizer, task } = this;
        return task.prompts.cot.split(tokenizer.specialPattern)
          .flatMap((part) => tokenizer.special.has(part)
            ? [tokenizer.ids.get(part)]
            : tokenizer.encode(fill(part)));
      }
    }
    return new Shown(llm);
  }

  window.unitconv.withExample = withExample;
}
