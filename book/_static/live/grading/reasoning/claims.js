/* Claims: the equations that a text states, and whether they hold. */
"use strict";

{
  const { isClose, largest, lastPlace, roundTo3 } = unitconv.numbers;
  const { UNKNOWN, chains } = unitconv.expressionParser;
  const { convert, factor, resolve } = unitconv.units;

  // How far two numbers that say the same may lie apart, as a share.
  const AUDIT_TOLERANCE = 0.01;
  // How far a stated result may be from what its numbers give, likewise,
  // unless it is written with fewer digits.
  const ARITHMETIC_TOLERANCE = 0.001;

  const close = (a, b, tolerance = AUDIT_TOLERANCE) =>
    isClose(a, b, tolerance);

  /* Return true if a number is the answer, perhaps to three decimals. */
  const states = (value, answer) =>
    close(value, answer) || roundTo3(value) === answer;

  /* Find the rates between units of one family in an expression, such as
     5280 ft / 1 mi or 2.54 cm/in. */
  function ratesIn(expression, isFactor = false) {
    const { operands, operator, rate } = expression;
    const found = operands.flatMap((operand) =>
      ratesIn(operand, operator === "*"),
    );
    let [x, y, names] = [expression.value, 1, rate];
    if (operator === "/") {
      let [top, bottom] = operands;
      if (top.operator === "*") [top, isFactor] = [top.operands[1], true];
      if (top.unit && bottom.unit)
        [x, y, names] = [top.value, bottom.value, [top.unit, bottom.unit]];
    }
    const units = names && unitsOfRate(names);
    if (units && x !== 0 && y !== 0)
      found.push(makeRate(x / y, units, isFactor || names === rate));
    return found;
  }

  /* A rate holds if it is the conversion factor between its units. */
  function makeRate(value, units, isFactor) {
    const [above, below] = units;
    const holds = close(value, factor(below, above));
    return { value, units, isFactor, holds };
  }

  /* Return the units of ["g", "kg"], if they are known and differ. */
  function unitsOfRate(rate) {
    const units = resolve(rate[0], rate[1]);
    return units && units[0] !== units[1] ? units : null;
  }

  /* Read the equations of a traced text, by chains of equal sides.

     "a = b = c" makes two claims; so does "6 kg = 6 * 1000 = 6000 g", the
     arithmetic and that its ends agree. A link has two sides, `left` (null
     if it cannot be read) and `right`; the claim that they make, or null;
     and its `index` among all claims of the text. */
  function readLinks(traced) {
    let count = 0;
    const countOn = () => count++;
    return [...chains(traced)].flatMap((pairs) =>
      connected(linksOf(pairs, countOn)),
    );
  }

  /* Split "2 * 3 = 6 and 6 * 4 = 24" where no side is shared. */
  function connected(links) {
    const parts = [[]];
    let sides = new Set();
    for (const link of links) {
      if (parts.at(-1).length && link.left && !sides.has(link.left.text)) {
        parts.push([]);
        sides = new Set();
      }
      parts.at(-1).push(link);
      for (const side of [link.left, link.right])
        if (side) sides.add(side.text);
    }
    return parts;
  }

  function linksOf(pairs, countOn) {
    const links = [];
    let start = null; // the "6 kg" of "6 kg = 6 * 1000 = 6000 g"
    let before = null;
    for (const [left, right] of pairs) {
      const inner = Boolean(left && left.text === before?.text);
      before = right;
      if (left && right) {
        links.push(linkSides(left, right, countOn, inner));
        if (left.isQuantity) {
          start = right.unit ? null : left;
        } else if (start && right.unit) {
          links.push(linkSides(start, right, countOn));
          start = null;
        }
        continue;
      }
      start = null;
      if (right) links.push(makeLink(null, right, null, -1));
    }
    return links;
  }

  function linkSides(left, right, countOn, inner = false) {
    const claim = check(left, right, inner);
    return makeLink(left, right, claim, claim ? countOn() : -1);
  }

  /* A link holds unless its claim is false, unread, or an inequality. */
  function makeLink(left, right, claim, index) {
    const holds =
      right.relation === "=" && (!claim || claim.verdict === true);
    return { left, right, claim, index, holds };
  }

  /* Check that two sides are equal; null if that states nothing.

     A claim is a "fact" or "arithmetic"; its verdict is null where nothing
     can be checked. If `inner`, `left` is a whole side inside a chain,
     with no words before it. */
  function check(left, right, inner) {
    const sign = right.relation === "\u2260" ? "\u2260" : "=";
    const text = `${left.text} ${sign} ${right.text}`;
    let kind = "arithmetic";
    let verdict = null;
    if (left.isQuantity) {
      // "6 kg = 6 * 1000" lacks the unit it is in
      if (right.unit === null && !Number.isNaN(right.value)) return null;
      [kind, verdict] = ["fact", sameQuantity(left, right)];
    } else if (!left.hasOperator && !right.hasOperator) {
      // "x is 5", "5 = 5": nothing was worked out; but "2 * 3 = 6 = 7"
      if (!inner || equalNumbers(left, right)) return null;
      verdict = false;
    } else if (isFinite(left.value) && isFinite(right.value)) {
      verdict = equalNumbers(left, right) || !!sameQuantity(left, right);
    }
    const rates = [left, right].flatMap((side) => ratesIn(side.expression));
    const falseRates = rates.filter((rate) => !rate.holds);
    // "24 hours / 60 min" is 24, or 0.4 hours per minute.
    if (
      right.relation === "?" ||
      !falseRates.every((rate) => rate.isFactor)
    )
      verdict = null;
    else if (right.relation !== "=" && verdict !== null) verdict = !verdict;
    if (verdict && falseRates.length) verdict = false;
    const start = Math.min(left.start, right.start);
    const end = Math.max(left.end, right.end);
    return { text, kind, verdict, start, end };
  }

  /* The largest number that is added or subtracted; 0 if none is. */
  function largestTerm({ operands, operator }) {
    const terms = operands.map(largestTerm);
    if (operator === "+" || operator === "-")
      terms.push(...operands.map((operand) => Math.abs(operand.value)));
    return largest(terms);
  }

  /* Compare two numbers: to 0.1 %, or as finely as they are written.

     Of two calculations nobody knows how they are rounded: 1 % has to
     do. */
  function equalNumbers(left, right) {
    const [a, b] = [left.value, right.value];
    if (a === b) return true;
    // The rest that binary fractions leave of "0.1 + 0.2 - 0.3" is zero.
    const terms = [left, right].map((side) => largestTerm(side.expression));
    const rest = 1e-12 * largest(terms);
    const error = Math.abs(a - b);
    if (error <= largest([rest, ARITHMETIC_TOLERANCE * Math.abs(b)]))
      return true;
    if (!close(a, b)) return false;
    if (!right.hasOperator) return isRounded(a, b);
    return left.hasOperator || isRounded(b, a);
  }

  /* See if the last digit is rounded or cut off: 5.63 to 5.6. */
  function isRounded(exact, written) {
    const unit = Number(`1e${lastPlace(written)}`);
    if (unit === 0) return false; // too small for a float
    const places = Math.abs(exact - written) / unit;
    const cutOff = Math.abs(written) < Math.abs(exact);
    return cutOff ? places < 1 - 1e-9 : places <= 0.5 + 1e-9;
  }

  /* Compare two quantities in one unit; null if that is impossible. */
  function sameQuantity(left, right) {
    if (left.unit === null || right.unit === null) return null;
    if (left.unit === UNKNOWN || right.unit === UNKNOWN) return null;
    if (!isFinite(left.value) || !isFinite(right.value)) return null;
    const converted = convert(left.value, left.unit, right.unit);
    if (converted === null) return false;
    if (!isFinite(converted)) return null;
    return close(converted, right.value);
  }

  unitconv.claims = {
    AUDIT_TOLERANCE,
    close,
    ratesIn,
    readLinks,
    states,
    unitsOfRate,
  };
}
