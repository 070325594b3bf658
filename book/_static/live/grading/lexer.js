/* Lexer: numbers, units, operators and words of a text. */
"use strict";

{
  const { compile } = unitconv.patterns;

  const TOKEN = compile(unitconv.tables.token, "g");
  // The groups of the pattern that name a token.
  const KINDS = [
    ...["tag", "power10", "number", "rate", "unit", "equal", "arrow"],
    ...["denial", "operator", "bracket", "word", "space", "other", "stop"],
  ];

  /* Split a traced text into runs of tokens that may hold an equation.

     A token has a `kind`, a `text`, its `start` and `end` in the original,
     and is `glued` if no space is before it. */
  function* sentences(traced) {
    let run = [];
    let glued = false;
    for (const match of traced.text.matchAll(TOKEN)) {
      const kind = KINDS.find((name) => match.groups[name] !== undefined);
      const text = match[0];
      if (kind === "stop" || kind === "tag") {
        yield* atArrows(run);
        run = [];
      } else if (kind !== "space") {
        const at = match.index;
        const [start, end] = traced.span(at, at + text.length);
        run.push({ kind, text, glued, start, end });
      }
      glued = kind !== "space";
    }
    yield* atArrows(run);
  }

  /* Read arrows as equality signs, or as "hence" between equations. */
  function* atArrows(run) {
    const isArrow = (token) => token.kind === "arrow";
    const isEqual = (token) => token.kind === "equal";
    if (!run.some(isArrow) || !run.some(isEqual)) {
      yield run.map((token) =>
        isArrow(token) ? { ...token, kind: "equal", text: "=" } : token,
      );
      return;
    }
    let part = [];
    for (const token of run) {
      if (isArrow(token)) {
        yield part;
        part = [];
      } else {
        part.push(token);
      }
    }
    yield part;
  }

  unitconv.lexer = { sentences };
}
