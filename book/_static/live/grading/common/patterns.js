/* Patterns of Python's `re`, in JavaScript.

   In these patterns @{w}, @{d} and @{s} stand for the characters that
   Python calls letters, digits and blanks (JavaScript has others), @{b} for
   the edge of a word, @{unit} for a unit. tables.js says what they are. */
"use strict";

{
  const { names } = unitconv.tables;

  const expand = (source) =>
    source.replace(/@\{(\w+)\}/g, (_, name) => expand(names[name]));

  /* Compile a pattern that may match anywhere in a text. */
  const compile = (source, flags = "") =>
    new RegExp(expand(source), `u${flags}`);

  /* Compile a pattern that has to match at the start, or all of a text. */
  const compileStart = (source) => compile(`^(?:${source})`);
  const compileWhole = (source) => compile(`^(?:${source})$`);

  /* Split a text at the first `separator`, as Python's str.partition. */
  function partition(text, separator) {
    const at = text.indexOf(separator);
    if (at < 0) return [text, "", ""];
    const end = at + separator.length;
    return [text.slice(0, at), separator, text.slice(end)];
  }

  /* Count characters; JavaScript counts some of them twice. */
  function countCharacters(text) {
    let count = 0;
    for (const _ of text) count += 1;
    return count;
  }

  /* Find where the first `count` characters of a text end. */
  function endOfCharacters(text, count) {
    if (text.length <= count) return text.length;
    let end = 0;
    for (const character of text) {
      if (count === 0) break;
      count -= 1;
      end += character.length;
    }
    return end;
  }

  unitconv.patterns = {
    compile,
    compileStart,
    compileWhole,
    partition,
    countCharacters,
    endOfCharacters,
  };
}
