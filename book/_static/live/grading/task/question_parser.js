/* Question parser: from a sentence to the conversion it asks for. */
"use strict";

{
  const { compile, compileStart, compileWhole, countCharacters } =
    unitconv.patterns;
  const { byName, lookup, resolve, times } = unitconv.units;
  const { question } = unitconv.tables;

  const UNIT = compile(question.unit, "g");
  const NUMBER = compile(question.number, "g");
  const PLAIN_NUMBER = compileWhole(question.plainNumber);
  const COUNT = compile(question.count);
  const MORE_NUMBERS = compile(question.moreNumbers);
  const OTHER_UNIT = compile(question.otherUnit);
  const APART_BEFORE = compile(question.apartBefore);
  const APART_AFTER = compileStart(question.apartAfter);
  const TO = compileWhole(question.to);
  const COUNTS = new Map(Object.entries(question.counts));
  const LARGEST_QUANTITY = 1e100;
  const LONGEST_QUESTION = 500; // characters

  const BLANKS = compileStart("[@{s}]*");
  const DIGIT_BEFORE = compile("(?<![*^])[0-9][@{s}]*-?(?=\n?$)");
  const TO_AFTER = compileStart("[@{s}]+(?:to|into)@{b}");
  const WORD_BEFORE = compile(
    "@{b}(?:many|to|into|from|in)[@{s}]+(?=\n?$)",
  );
  const COUNT_AFTER = compileStart("[@{s}]+(?:[0-9]|an?@{b}|one@{b})");
  const GAP = compileWhole("[@{s}]*-?[@{s}]*");
  const LETTER_OR_DIGIT = compileWhole("(?!_)[@{w}]");

  const endOf = (match) => match.index + match[0].length;
  const blankOut = (text, start, match) =>
    text.slice(0, start) +
    "\0".repeat(match[0].length) +
    text.slice(start + match[0].length);

  /* Parse the conversion that a sentence asks for; null if unclear.

     parseQuestion("How many gram are there per 6 kg?") has the quantity 6,
     the source "kilogram", the target "gram" and the answer 6000. */
  function parseQuestion(text) {
    if (countCharacters(text) > LONGEST_QUESTION) return null;
    const units = findUnits(text);
    const counted = findQuantity(text, units);
    if (countUnits(units) !== 2 || !counted) return null;
    const [quantity, source] = counted;
    const unit = lookup(source[0]);
    const target = units.find((other) => lookup(other[0]) !== unit);
    const pair = resolve(source[0], target[0]);
    if (!pair || pair[0] === pair[1]) return null;
    return makeConversion(quantity, pair[0].name, pair[1].name);
  }

  /* Make a conversion between two units, given by their names. */
  function makeConversion(quantity, source, target) {
    const [a, b] = [byName.get(source), byName.get(target)];
    const answer = times(quantity, a, b);
    return { quantity, source, target, answer, family: a.family };
  }

  const countUnits = (units) =>
    new Set(units.map((unit) => lookup(unit[0]))).size;

  /* Find the units in order, "in" only where it must be the inch. */
  function findUnits(text) {
    const matches = [...text.matchAll(UNIT)];
    const units = matches.filter((unit) => unit[0] !== "in");
    if (units.some((unit) => OTHER_UNIT.test(text.slice(0, unit.index))))
      return [];
    const ambiguous = matches.filter((unit) => unit[0] === "in");
    const starts = new Set(units.map((unit) => unit.index));
    for (const inch of ambiguous) {
      const space = BLANKS.exec(text.slice(endOf(inch)))[0].length;
      // "6 in to feet", but "6 in feet" has lost its unit.
      const follows = DIGIT_BEFORE.test(text.slice(0, inch.index));
      if (follows && !starts.has(endOf(inch) + space)) units.push(inch);
    }
    if (countUnits(units) < 2)
      units.push(
        ...ambiguous.filter(
          (match) => !units.includes(match) && isInch(text, match),
        ),
      );
    return units.sort((a, b) => a.index - b.index);
  }

  /* Return true if the words around this "in" make it an inch. */
  function isInch(text, match) {
    const before = text.slice(0, match.index);
    const after = text.slice(endOf(match));
    if (TO_AFTER.test(after)) return true;
    // "How many in 6 ft?" has lost its unit.
    return WORD_BEFORE.test(before) && !COUNT_AFTER.test(after);
  }

  /* Find the only quantity of the sentence, and the unit it counts. */
  function findQuantity(text, units) {
    let rest = text;
    // The 3 of cm^3 is not a quantity.
    for (const unit of units) rest = blankOut(rest, unit.index, unit);
    const numbers = [...rest.matchAll(NUMBER)];
    const counts = [];
    for (const unit of units) {
      const count = COUNT.exec(rest.slice(0, unit.index));
      // Beside digits, "a" is an article: "What part of a mile is 6 ft?"
      const isArticle = count && /^an?$/i.test(count.groups.count);
      if (count && !(numbers.length && isArticle))
        counts.push([count, unit]);
    }
    for (const [count] of counts) rest = blankOut(rest, count.index, count);
    if (numbers.length + counts.length !== 1 || MORE_NUMBERS.test(rest))
      return null;
    if (counts.length) {
      const [[count, unit]] = counts;
      return [COUNTS.get(count.groups.count.toLowerCase()), unit];
    }
    const value = toNumber(rest, numbers[0]);
    const counted = countedUnit(text, numbers[0], units);
    return value === null || !counted ? null : [value, counted];
  }

  /* Read the digits; null for 2,5 and 1.2.3, 1/2, 6th and 6%. */
  function toNumber(text, match) {
    const digits = match[0].replaceAll("\u2212", "-");
    const before = /.?$/su.exec(text.slice(0, match.index))[0];
    const after = /^.?/su.exec(text.slice(endOf(match)))[0];
    if (LETTER_OR_DIGIT.test(before) || LETTER_OR_DIGIT.test(after))
      return null;
    if (before && "/^*_.-\u2212$€£#".includes(before)) return null;
    if (after && "/^*_%°'\"".includes(after)) return null;
    if (!PLAIN_NUMBER.test(digits)) return null;
    const value = Number(digits.replaceAll(",", ""));
    return Math.abs(value) <= LARGEST_QUANTITY ? value : null;
  }

  /* Find the unit after a number, or the kg of "from kg to g for 6". */
  function countedUnit(text, number, units) {
    const end = endOf(number);
    for (const unit of units)
      if (unit.index >= end && GAP.test(text.slice(end, unit.index)))
        return unit;
    const apart =
      APART_BEFORE.test(text.slice(0, number.index)) &&
      APART_AFTER.test(text.slice(end));
    if (!apart || units.length !== 2) return null;
    const between = text.slice(endOf(units[0]), units[1].index);
    return TO.test(between) ? units[0] : null;
  }

  unitconv.parseQuestion = parseQuestion;
}
