/* Wording: rewrite Markdown, LaTeX and prose as plain equations.

   "**A kg** is about $1\,000$ g" becomes "1 kg = 1000 g". The patterns are
   those of unitconv/grading/wording.py. */
"use strict";

{
  const { compile } = unitconv.patterns;
  const { wording } = unitconv.tables;

  const compileAll = (rows) =>
    rows.map(([pattern, form]) => [compile(pattern, "dg"), form]);
  const MARKUP = compileAll(wording.markup);
  const WORDS = compileAll(wording.words);
  const GROUPS = compile(wording.groups, "dg");
  const GAP = compile(wording.gap, "g");
  const NUMBER_WORDS = compile(wording.numberWords, "dg");
  const NUMBER_WORD = compile(wording.numberWord, "g");
  const SIGNS = new Map(Object.entries(wording.signs));
  const WORTH = new Map(Object.entries(wording.worth));
  const MULTIPLES = new Map(Object.entries(wording.multiples));
  const SIGN = compile(`[${[...SIGNS.keys()].join("")}]`, "dg");

  /* Write "two hundred and fifty" in digits; leave "two three". */
  function toDigits(match) {
    let [total, part] = [0n, 0n];
    let before = null; // what the word before was worth, if below 100
    for (const [word] of match[0].toLowerCase().matchAll(NUMBER_WORD)) {
      const worth = WORTH.get(word);
      const multiple = BigInt(MULTIPLES.get(word) ?? 0);
      if (worth !== undefined) {
        const afterSmall = before !== null && before < 20;
        const afterTens = before !== null && before >= 20 && worth >= 20;
        if (afterSmall || afterTens) return [0];
        part += BigInt(worth);
      } else if (multiple < 1000n) {
        part = (part || 1n) * multiple;
      } else {
        total += (part || 1n) * multiple;
        part = 0n;
      }
      before = worth ?? null;
    }
    return [String(total + part)];
  }

  /* Rewrite a traced text so that its equations are written as such. */
  function toEquations(traced) {
    traced = traced.replace(SIGN, (match) => [SIGNS.get(match[0])]);
    for (const [pattern, form] of MARKUP)
      traced = traced.replace(pattern, form);
    traced = traced.replace(GROUPS, (match) => [match[0].replace(GAP, "")]);
    traced = traced.replace(NUMBER_WORDS, toDigits);
    for (const [pattern, form] of WORDS)
      traced = traced.replace(pattern, form);
    return traced;
  }

  unitconv.wording = { toEquations };
}
