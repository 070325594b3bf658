"use strict";
/* Tokens on the page, as the build draws them (live_tokens.py): a list for
   each line of the text, and in it a box for each token. */

window.unitconv = window.unitconv || {};
{
  const { make } = window.unitconv;

  /* What is not seen: how it is shown, and how it is read out. */
  const MARKS = {
    " ": ["\u00b7", "space"],
    "\n": ["\u21b5", "line break"],
    "\t": ["\u21e5", "tab"],
  };

  /* A token's text, with marks for what is not seen. */
  function showText(text) {
    const shown = document.createDocumentFragment();
    for (const part of text.split(/([ \n\t])/).filter(Boolean)) {
      if (!MARKS[part]) {
        shown.append(part);
        continue;
      }
      const [mark, words] = MARKS[part];
      const read = { role: "img", "aria-label": words };
      shown.append(make("span", read, mark));
    }
    return shown;
  }

  /* A token's text, and its kind: "digit", "special" or none. */
  function describeToken(tokenizer, id) {
    const text = tokenizer.decode([id], { withSpecial: true });
    if (tokenizer.special.has(text)) return { text, kind: "special" };
    return { text, kind: /^[0-9]$/.test(text) ? "digit" : "" };
  }

  function drawChip(tokenizer, id) {
    const { text, kind } = describeToken(tokenizer, id);
    return make("li", { class: `chip ${kind}` },
      make("span", {}, showText(text)),
      make("small", {}, String(id)));
  }

  /* Split tokens after line breaks. */
  function splitLines(tokenizer, ids) {
    const lines = [[]];
    for (const id of ids) {
      lines.at(-1).push(id);
      if (tokenizer.decode([id]).includes("\n")) lines.push([]);
    }
    return lines.filter((line) => line.length);
  }

  /* Draw tokens into an element; returns the boxes, in order. */
  function drawChips(place, tokenizer, ids) {
    const lists = splitLines(tokenizer, ids).map((line) =>
      make("ol", { role: "list" },
        ...line.map((id) => drawChip(tokenizer, id))));
    place.replaceChildren(...lists);
    return [...place.querySelectorAll(".chip")];
  }

  Object.assign(window.unitconv, { showText, describeToken, drawChips });
}
