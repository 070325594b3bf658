/* Expression parser: the equations that a text states.

   "1 kg = 1000 g, so 6 kg = 6 * 1000 = 6000 g" holds two chains of sides,
   each an expression, perhaps with a unit. */
"use strict";

{
  const { compile, compileWhole, partition } = unitconv.patterns;
  const { withoutSeparators } = unitconv.answer;
  const { convert, lookup } = unitconv.units;
  const { sentences } = unitconv.lexer;
  const { toEquations } = unitconv.wording;

  const UNKNOWN = "?"; // the unit of "5 apples"
  const NO_UNITS = compileWhole(unitconv.tables.noUnits);
  const OPERATORS = { x: "*", X: "*" }; // all others are their own
  const LONGEST_SIDE = 40; // tokens
  const NO_BLANK = compile("[^@{s}]");

  /* Make a number, perhaps with a unit or a rate such as ["g", "kg"]. */
  function makeNumber(value, unit = null, rate = null) {
    return { value, unit, rate, operator: "", operands: [] };
  }

  /* Make an operation on two expressions. */
  function makeOperation(value, operator, left, right) {
    return { ...makeNumber(value), operator, operands: [left, right] };
  }

  /* Yield the equations of each sentence, as [left, right], in order.

     "a = b = c" gives [a, b] and [b, c]. A side that is no expression is
     null; of a side with words around it the part next to the sign
     counts. */
  function* chains(traced) {
    if (!NO_BLANK.test(traced.text)) return;
    for (const sentence of sentences(toEquations(traced))) {
      const sides = [[]];
      const relations = [];
      const denied = sentence.some((token) => token.kind === "denial");
      for (const token of sentence) {
        if (token.kind === "equal") {
          sides.push([]);
          relations.push(denied ? "?" : token.text);
        } else if (token.kind !== "denial") {
          sides.at(-1).push(token);
        }
      }
      if (relations.length) yield pairUp(sides, relations);
    }
  }

  const pairUp = (sides, relations) =>
    relations.map((relation, n) => {
      const isLast = n === relations.length - 1;
      const left = longestSide(sides[n], true, n === 0);
      const right = longestSide(sides[n + 1], false, isLast);
      return [left, right && { ...right, relation }];
    });

  /* Parse the longest expression at one end of `tokens`. */
  function longestSide(tokens, atEnd, outer) {
    const longest = Math.min(tokens.length, LONGEST_SIDE);
    for (let length = longest; length > 0; length -= 1) {
      const cut = atEnd ? tokens.length - length : length;
      const [before, after] = [tokens.slice(0, cut), tokens.slice(cut)];
      const side = new Parser(atEnd ? after : before).side();
      if (!side) continue;
      if (!cutsExpression(before, after, outer)) return side;
      return { ...side, value: NaN, expression: makeNumber(NaN) };
    }
    return null;
  }

  /* Return true if an expression continues across this boundary.

     To check a piece of one would call true equations false. At the outer
     end of a chain, "and" can only join quantities: "1 hour and 30
     minutes". */
  function cutsExpression(before, after, outer) {
    if (outer && before.at(-1)?.text === "and")
      before = before.slice(0, -1);
    if (outer && after[0]?.text === "and") after = after.slice(1);
    if (!before.length || !after.length) return false;
    const [left, right, next] = [before.at(-1), after[0], after[1]];
    if (right.text === "or" && next?.kind === "number") return true;
    // 5^2 * 3, 75%
    if (left.kind === "other" || right.kind === "other") return true;
    if (left.kind === "word" && right.glued) // sqrt(16), d2
      return right.kind === "number" || right.kind === "bracket";
    if (left.kind === "operator") {
      // y + 5 * 2, but no bullet and no dash
      const dash = left.text === "-" && before.at(-2)?.kind === "word";
      return before.length > 1 && !dash;
    }
    if (right.kind === "operator")
      // 20 = 5 * 2 + y
      return (
        next?.kind === "number" ||
        ("*/".includes(right.text) && next?.kind === "word")
      );
    return isMixed([...before.slice(-2), ...after.slice(0, 2)]);
  }

  /* Return true for 5 feet 6 inches. */
  function isMixed(tokens) {
    const kinds = tokens.map((token) => token.kind).join(" ");
    if (kinds !== "number unit number unit") return false;
    return convert(1, tokens[1].text, tokens[3].text) > 1;
  }

  /* Recursive descent over + - * / ( ), numbers and units. */
  class Parser {
    constructor(tokens) {
      this.tokens = tokens;
      this.at = 0;
      this.units = new Set();
      this.hasRate = false;
      this.operators = new Set();
    }

    /* Parse all the tokens as one expression, or return null. */
    side() {
      let expression = this.sum();
      if (!expression || this.at < this.tokens.length) return null;
      const { operators, tokens, units } = this;
      if (units.size > 1 && (operators.has("+") || operators.has("-")))
        // "6 kg + 200 g": not one unit, no one value
        expression = { ...expression, value: NaN };
      const single = units.size === 1 && !this.hasRate;
      const unit = single ? [...units][0] : null;
      const hasOperator = operators.size > 0;
      return {
        text: tokens.map((token) => token.text).join(" "),
        expression,
        value: expression.value,
        unit,
        hasOperator,
        isQuantity: unit !== null && !hasOperator,
        relation: "=",
        start: Math.min(...tokens.map((token) => token.start)),
        end: Math.max(...tokens.map((token) => token.end)),
      };
    }

    /* Each of these returns null where no expression begins. */
    sum() {
      let left = this.product();
      let operator;
      while (left && (operator = this.takeOperator("+-"))) {
        const right = this.product();
        if (!right) return null;
        const term = operator === "+" ? right.value : -right.value;
        left = makeOperation(left.value + term, operator, left, right);
      }
      return left;
    }

    product() {
      let left = this.quantity();
      let operator;
      while (
        left &&
        (operator = this.takeOperator("*/") || this.nextFactor())
      ) {
        const right = this.quantity();
        if (!right) return null;
        const [a, b] = [left.value, right.value];
        const quotient = b === 0 ? NaN : a / b;
        const value = operator === "*" ? a * b : quotient;
        left = makeOperation(value, operator, left, right);
      }
      return left;
    }

    /* Parse a number or a bracket, and the unit behind it. */
    quantity() {
      const minus = this.takeMinus();
      const token = this.take("number", "power10", "bracket");
      if (!token || token.text === ")") return null;
      if (token.text === "(") return this.bracket(minus);
      const digits =
        token.kind === "power10"
          ? `1e${token.text.replace(/^10(\^|\*\*)|[{}]/g, "")}`
          : token.text;
      const value = Number(withoutSeparators(digits));
      const rate = this.takeRate();
      const unit = rate ? null : this.takeUnit();
      return makeNumber(minus ? -value : value, unit, rate);
    }

    bracket(minus) {
      const inside = this.sum();
      if (!inside || this.take("bracket")?.text !== ")") return null;
      if (!this.takeRate()) this.takeUnit();
      if (!minus) return inside;
      return makeOperation(-inside.value, "-", makeNumber(0), inside);
    }

    /* Take the units of a rate, such as "g/kg" or "g per kg". */
    takeRate() {
      const text = this.take("rate")?.text;
      if (!text) return null;
      const sign = text.includes(" per ") ? " per " : "/";
      const [above, , below] = partition(text, sign);
      this.hasRate = true;
      return [above, below];
    }

    /* Take a unit, or a word for one. */
    takeUnit() {
      const { kind, text } = this.tokens[this.at] ?? {};
      const isWord = kind === "word" && !NO_UNITS.test(text);
      if (kind !== "unit" && !isWord) return null;
      this.at += 1;
      const unit = isWord ? UNKNOWN : lookup(text).spellings[0];
      this.units.add(unit);
      return unit;
    }

    take(...kinds) {
      const token = this.tokens[this.at];
      if (!kinds.includes(token?.kind)) return null;
      this.at += 1;
      return token;
    }

    /* Take a sign: right before its number, unlike a list's dash. */
    takeMinus() {
      const [token, number] = this.tokens.slice(this.at, this.at + 2);
      const isSign = token?.text === "-" && Boolean(number?.glued);
      this.at += isSign ? 1 : 0;
      return isSign;
    }

    takeOperator(allowed) {
      const token = this.tokens[this.at];
      if (token?.kind !== "operator") return null;
      const operator = OPERATORS[token.text] ?? token.text;
      if (!allowed.includes(operator)) return null;
      this.at += 1;
      this.operators.add(operator);
      return operator;
    }

    /* See a product without a sign: "(6)(1000)" or "6(1000)". */
    nextFactor() {
      const token = this.tokens[this.at];
      if (this.at === 0 || token?.text !== "(") return null;
      const isBehind = this.tokens[this.at - 1].text === ")";
      if (!token.glued && !isBehind) return null;
      this.operators.add("*");
      return "*";
    }
  }

  unitconv.expressionParser = { UNKNOWN, chains };
}
