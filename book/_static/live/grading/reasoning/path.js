/* Reasoning paths: which equations a text states.

   Two texts take the same path if they state the same equations, however
   these are spelled: "6 x 1,000 g = 6000" and "1000 * 6.0 = 6000 gram".
   The same as unitconv/evaluation/reasoning_path.py. */
"use strict";

{
  const { chains, UNKNOWN } = unitconv.expressionParser;
  const { TracedText } = unitconv;

  /* Return the reasoning path of a text: its equations, in order.

     Spaces, repetitions and the spellings of operators, units and numbers
     make no difference; nor do the order of factors, of addends and of
     the two sides, and units within a calculation. */
  function pathKey(text) {
    const equations = new Set();
    for (const pairs of chains(TracedText.cut(text, 0, text.length)))
      for (const [left, right] of pairs)
        if (left && right) equations.add(writeEquation(left, right));
    return [...equations];
  }

  /* Write a calculation before its result, and a fact in fixed order. */
  function writeEquation(left, right) {
    const relation = ` ${right.relation} `;
    if (left.isQuantity && right.hasOperator)
      // "6 kg = 6 * 1000 g": what is converted, no result.
      return writeQuantity(left) + relation + write(right);
    if (!left.hasOperator && !right.hasOperator)
      return [left, right].map(writeQuantity).sort().join(relation);
    const sides = left.hasOperator ? [left, right] : [right, left];
    const written = sides.map(write);
    const both = left.hasOperator && right.hasOperator;
    return (both ? written.sort() : written).join(relation);
  }

  function writeQuantity({ unit, text, value }) {
    if (unit === null || unit === UNKNOWN) return text;
    return `${writeNumber(value)} ${unit}`;
  }

  /* Write an expression without units; as it is if it is cut short. */
  function write({ value, expression, text }) {
    if (Number.isNaN(value) && !expression.operator) return text;
    return writeSum(expression);
  }

  function writeSum(expression) {
    const terms = termsOf(expression)
      .map(({ sign, part }) => ({ sign, part: writeProduct(part) }))
      .sort((a, b) => compare(a.sign, b.sign) || compare(a.part, b.part));
    return join(terms, "+ ");
  }

  function writeProduct(expression) {
    const factors = factorsOf(expression).sort(
      (a, b) =>
        compare(a.sign, b.sign) ||
        a.part.length - b.part.length ||
        compare(a.part, b.part),
    );
    return join(factors, "* ");
  }

  function join(parts, plain) {
    const text = parts.map(({ sign, part }) => `${sign} ${part}`).join(" ");
    return text.startsWith(plain) ? text.slice(plain.length) : text;
  }

  const compare = (a, b) => Number(a > b) - Number(a < b);

  /* List what is added and subtracted, with its sign. */
  function termsOf(expression, negative = false) {
    const { operator, operands } = expression;
    if (operator !== "+" && operator !== "-")
      return [{ sign: negative ? "-" : "+", part: expression }];
    const [left, right] = operands;
    return [
      ...termsOf(left, negative),
      ...termsOf(right, negative !== (operator === "-")),
    ];
  }

  /* List what a product is multiplied with and divided by, written. */
  function factorsOf(expression, inverse = false) {
    const { operator, operands, value } = expression;
    const sign = inverse ? "/" : "*";
    if (!operator) return [{ sign, part: writeNumber(value) }];
    if (operator === "+" || operator === "-")
      return [{ sign, part: `(${writeSum(expression)})` }];
    const [left, right] = operands;
    return [
      ...factorsOf(left, inverse),
      ...factorsOf(right, inverse !== (operator === "/")),
    ];
  }

  /* Write a number with 12 digits, as Python's "%.12g" does. */
  function writeNumber(value) {
    if (Number.isNaN(value)) return "nan";
    if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
    const [digits, power] = value.toExponential(11).split("e");
    const exponent = Number(power);
    const sign = Object.is(value, -0) ? "-" : "";
    if (exponent >= -4 && exponent < 12)
      return sign + trim(value.toFixed(11 - exponent));
    const places = String(Math.abs(exponent)).padStart(2, "0");
    return `${trim(digits)}e${exponent < 0 ? "-" : "+"}${places}`;
  }

  const trim = (digits) =>
    digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;

  unitconv.pathKey = pathKey;
}
