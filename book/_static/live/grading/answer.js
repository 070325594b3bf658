/* Answer parser and tolerance: from a reply to right or wrong. */
"use strict";

{
  const { compileWhole, partition } = unitconv.patterns;
  const { roundTo3 } = unitconv.numbers;

  // How far a right answer may be from the truth, as a share of it.
  const TOLERANCE = 0.05;
  const ANSWER = compileWhole(unitconv.tables.answer);

  /* Write a number as JavaScript does: no separators, an ASCII minus. */
  const withoutSeparators = (number) =>
    number.replace(/[, \u00a0\u2009\u202f]/g, "").replaceAll("\u2212", "-");

  function matchAnswer(text) {
    const [, opened, rest] = partition(text, "<answer>");
    const [inside, closed] = partition(rest, "</answer>");
    return opened && closed ? ANSWER.exec(inside) : null;
  }

  /* Parse the number in the first complete answer tag; NaN if none.

     parseAnswer("6 * 1000 = 6000. <answer>6,000 g</answer>") is 6000. */
  function parseAnswer(text) {
    const groups = matchAnswer(text)?.groups;
    if (!groups) return NaN;
    const digits = withoutSeparators(groups.sign + groups.number);
    const exponent = groups.exponent || groups.power || "0";
    const value = Number(`${digits}e${withoutSeparators(exponent)}`);
    return Number.isFinite(value) ? value : NaN;
  }

  /* Return the unit beside the number in the tag; null if it has none. */
  function answerUnit(text) {
    const groups = matchAnswer(text)?.groups;
    return groups?.unit || groups?.before || null;
  }

  /* Return true if the answer is within 5 % of the truth. */
  function isCorrect(answer, truth, tolerance = TOLERANCE) {
    if (!Number.isFinite(answer) || !Number.isFinite(truth)) return false;
    const [a, b] = [roundTo3(answer), roundTo3(truth)];
    if (b === 0) return a === 0;
    return Math.abs(a - b) < tolerance * Math.abs(b);
  }

  unitconv.parseAnswer = parseAnswer;
  unitconv.answer = { answerUnit, isCorrect, withoutSeparators };
}
