/* Derivation: which numbers of a reply follow from the question.

   Every number may mean a coefficient times units, by dimensional analysis:
   asked for 7.75 lb in grams, the 453.6 of "1 lb = 453.6 g" means 1 g/lb,
   the 3175.2 of "7 * 453.6 = 3175.2" means 7 g/lb. Products multiply
   meanings, sums add those of the same units. The answer is derived if it
   means 7.75 g/lb.

   Meanings are a map from a key to {value, powers, claims}: the claims are
   those that say so. */
"use strict";

{
  const { UNKNOWN } = unitconv.expressionParser;
  const { AUDIT_TOLERANCE, close, ratesIn, states, unitsOfRate } =
    unitconv.claims;
  const { factors, makeFactor, multiply, ratio, readPowers, unitsOf } =
    unitconv.dimensions;
  const { byName, lookup } = unitconv.units;

  const EXACT = 1e-6; // for coefficients: the parts must add up
  const ROUNDED = 5e-4; // for results and unstated factors: four digits
  const MOST_MEANINGS = 24;
  const QUANTITY = "the quantity asked^1";

  const union = (a, b) => new Set([...a, ...b]);
  const isDisjoint = (a, b) => ![...a].some((member) => b.has(member));
  const keyOf = (value, powers) => `${value}|${powers}`;
  const filter = (meanings, keep) =>
    new Map([...meanings].filter(([, meaning]) => keep(meaning)));

  /* The meanings of the numbers of one reply, statement by statement. */
  class Derivation {
    constructor(conversion) {
      this.conversion = conversion;
      this.stated = [];
      this.facts = new Set();
      this.results = []; // [value, meanings]
      const a = byName.get(conversion.source);
      const b = byName.get(conversion.target);
      this.goal = keyOf(1, multiply(ratio(b, a), QUANTITY));
    }

    /* Add the factors that a true fact states, both ways.

       Also those that are written within a calculation. */
    addFact(link) {
      const { left, right } = link;
      if (!left || !link.claim || !link.holds) return;
      for (const side of [left, right])
        for (const rate of ratesIn(side.expression))
          if (rate.holds) this.state(rate.value, rate.units, new Set());
      const units = this.unitsOf(left, right);
      if (!units) return;
      this.facts.add(link.index);
      const value = over(right.value, left.value);
      this.state(value, [units[1], units[0]], new Set([link.index]));
    }

    /* Add a factor, both ways. */
    state(value, [above, below], claims) {
      for (const [factor, powers] of [
        [value, ratio(above, below)],
        [over(1, value), ratio(below, above)],
      ])
        if (factor !== 0)
          this.stated.push(makeFactor(factor, powers, claims));
    }

    /* Find the meanings of the numbers that a chain of sides gives. */
    follow(chain) {
      const sides = new Map();
      const claimed = new Set();
      chain = chain.filter((link) => link.holds);
      for (const link of chain) {
        for (const side of [link.left, link.right])
          if (side) sides.set(side.text, side);
        if (link.claim) claimed.add(link.right.text);
      }
      // Meanings pass in both directions, but never back to where they
      // came from: a number must not derive from itself.
      const forwards = new Map();
      for (const [text, side] of sides)
        forwards.set(text, this.meanings(side.expression, true));
      const backwards = new Map();
      for (const [text, found] of forwards)
        backwards.set(text, new Map(found));
      for (const link of chain)
        if (link.left) this.passOn(link, link.left, link.right, forwards);
      for (const link of chain.reverse())
        if (link.left) this.passOn(link, link.right, link.left, backwards);
      this.keepResults(sides, claimed, forwards, backwards);
    }

    keepResults(sides, claimed, forwards, backwards) {
      const plain = [...sides.values()].filter((s) => !s.hasOperator);
      for (const [text, side] of sides) {
        let found = forwards.get(text);
        for (const meaning of backwards.get(text).values())
          this.put(found, meaning);
        found = filter(found, (meaning) => meaning.powers);
        // "So 6 kg = 6 * 1000 g." gives its result no other name.
        const named = plain.some((other) => close(side.value, other.value));
        if (side.hasOperator && named) found = new Map();
        if (found.size || (claimed.has(text) && !side.hasOperator))
          this.results.push([side.value, found]);
      }
    }

    /* Let `target` mean what `source`, which is equal to it, means. */
    passOn(link, source, target, found) {
      const tolerance =
        source.hasOperator && target.hasOperator ? 1e-3 : 1e-2;
      const units = this.unitsOf(source, target);
      let per = "";
      if (!close(source.value, target.value, tolerance)) {
        if (!units) return;
        per = ratio(units[1], units[0]);
      } else if (units && source.isQuantity && target.isQuantity) {
        per = ratio(units[1], units[0]); // 0 kg = 0 g
      }
      const claims = new Set(link.claim ? [link.index] : []);
      let passed = new Map();
      for (const old of found.get(source.text).values()) {
        const powers = multiply(old.powers, per);
        const both = union(old.claims, claims);
        this.put(passed, { value: old.value, powers, claims: both });
      }
      passed = this.recognise(passed);
      if (!target.hasOperator) passed = this.inUnit(passed, target.unit);
      for (const meaning of passed.values())
        this.put(found.get(target.text), meaning);
    }

    /* Return the units of two sides, if they are known and differ. */
    unitsOf(a, b) {
      if (a.unit === null || b.unit === null) return null;
      return unitsOfRate([a.unit, b.unit]);
    }

    /* Return the claims from which the answer follows, if it does. */
    claimsBehind(answer) {
      for (const isAnswer of [close, states])
        for (const [value, meanings] of [...this.results].reverse())
          if (isAnswer(value, answer))
            return meanings.get(this.goal)?.claims ?? null;
      return null;
    }

    /* Return true for the quantity and for a conversion factor. */
    isGiven(value) {
      const { quantity } = this.conversion;
      const isAsked = close(value, quantity, EXACT);
      return isAsked || this.factors(value).length > 0;
    }

    /* List the factors that a number may be, stated ones first. */
    factors(value, exact = false) {
      const near = (tolerance) => (factor) =>
        close(value, factor.value, tolerance);
      const known = factors(this.conversion.family);
      return [
        ...this.stated.filter(near(exact ? EXACT : AUDIT_TOLERANCE)),
        ...known.filter(near(exact ? ROUNDED : AUDIT_TOLERANCE)),
      ];
    }

    /* Find what the value of an expression may mean.

       A number within a calculation may be an earlier result, rounded; one
       that is stated as a `result` itself must be the very same. */
    meanings(expression, result = false) {
      const { operands, operator } = expression;
      if (!operands.length) return this.ofNumber(expression, result);
      const [left, right] = operands.map((side) => this.meanings(side));
      const found = new Map();
      for (const a of left.values())
        for (const b of right.values()) {
          const meaning = combine(operator, a, b);
          if (meaning) this.put(found, meaning);
        }
      return this.recognise(found);
    }

    ofNumber(number, result) {
      const { value } = number;
      let found = new Map();
      for (const tolerance of result ? [EXACT] : [EXACT, AUDIT_TOLERANCE])
        for (const [other, meanings] of found.size ? [] : this.results)
          if (close(value, other, tolerance))
            for (const meaning of meanings.values())
              this.put(found, meaning);
      const alike = this.factors(value, true);
      for (const factor of alike.length ? alike : this.factors(value))
        this.put(found, { ...factor, value: 1 });
      this.put(found, { value, powers: "", claims: new Set() });
      found = this.recognise(found);
      const units = number.rate && unitsOfRate(number.rate);
      if (!units) return this.inUnit(found, number.unit);
      const powers = ratio(units[0], units[1]);
      return filter(found, (meaning) => meaning.powers === powers);
    }

    /* Keep the meanings that a number with this unit may have. */
    inUnit(meanings, symbol) {
      if (symbol === null) return meanings;
      if (symbol === UNKNOWN) return new Map();
      let unit = lookup(symbol);
      if (unit.name === "ounce" && this.conversion.family === "volume")
        unit = byName.get("fluid ounce");
      const allowed = unitsOf(unit, this.conversion.source);
      return filter(
        meanings,
        ({ value, powers }) =>
          allowed.has(multiply(powers, QUANTITY, -1)) ||
          allowed.has(powers) ||
          (value === 1 && powers === ""), // the 1 kg of "1000 g / 1 kg"
      );
    }

    /* Add a meaning; of two ways to it, prefer one by stated facts. */
    put(into, meaning) {
      const key = keyOf(meaning.value, meaning.powers);
      const old = into.get(key);
      if (!old) {
        if (into.size < MOST_MEANINGS) into.set(key, meaning);
      } else if (
        isDisjoint(old.claims, this.facts) &&
        !isDisjoint(meaning.claims, this.facts)
      ) {
        into.set(key, meaning);
      }
    }

    /* Add the whole where parts of it have been added up.

       That is the quantity, an earlier result, or a factor. */
    recognise(meanings) {
      for (const part of [...meanings.values()]) {
        if (part.powers.split(";").includes(QUANTITY)) {
          if (part.value === 1) continue;
          for (const factor of this.factors(part.value, true))
            this.putWhole(meanings, part, { ...factor, value: 1 });
          continue;
        }
        if (close(part.value, this.conversion.quantity, EXACT)) {
          const asked = { value: 1, powers: QUANTITY, claims: [] };
          this.putWhole(meanings, part, asked);
        }
        if (!part.powers || part.value === 1) continue;
        for (const [value, results] of this.results)
          if (close(part.value, value, ROUNDED))
            for (const whole of results.values())
              this.putWhole(meanings, part, whole);
      }
      return meanings;
    }

    putWhole(meanings, part, whole) {
      const powers = multiply(part.powers, whole.powers);
      const claims = union(part.claims, whole.claims);
      this.put(meanings, { value: whole.value, powers, claims });
    }
  }

  /* Divide; 0 where there is no finite quotient. */
  function over(a, b) {
    const quotient = a / b;
    return Number.isFinite(quotient) ? quotient : 0;
  }

  /* Combine two meanings; null where that makes no sense. */
  function combine(operator, a, b) {
    const claims = union(a.claims, b.claims);
    if (operator === "+" || operator === "-") {
      if (a.powers !== b.powers) return null;
      const value =
        operator === "+" ? a.value + b.value : a.value - b.value;
      return { value, powers: a.powers, claims };
    }
    const isProduct = operator === "*";
    const powers = multiply(a.powers, b.powers, isProduct ? 1 : -1);
    if (readPowers(powers).some(([, power]) => Math.abs(power) > 3))
      return null;
    const value = isProduct ? a.value * b.value : a.value / b.value;
    return Number.isFinite(value) ? { value, powers, claims } : null;
  }

  unitconv.Derivation = Derivation;
}
