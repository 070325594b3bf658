/* Dimensions: the units of conversion factors, and of their products.

   Units with their powers are written as a text, sorted: g/lb is
   "gram^1;pound^-1", and a plain number is "". */
"use strict";

{
  const { byName, factor, units } = unitconv.units;

  /* Keep the results of a function of texts and numbers. */
  function memoize(compute) {
    const known = new Map();
    return (...values) => {
      const key = values.join("|");
      if (!known.has(key)) known.set(key, compute(...values));
      return known.get(key);
    };
  }

  /* List [unit, power] of "gram^1;pound^-1". */
  const readPowers = (powers) =>
    powers
      ? powers.split(";").map((part) => {
          const [unit, power] = part.split("^");
          return [unit, Number(power)];
        })
      : [];

  /* Return the powers of a product, or of a quotient for sign -1. */
  const multiply = memoize((a, b, sign = 1) => {
    const powers = new Map(readPowers(a));
    for (const [unit, power] of readPowers(b))
      powers.set(unit, (powers.get(unit) ?? 0) + sign * power);
    return [...powers.keys()]
      .filter((unit) => powers.get(unit))
      .sort()
      .map((unit) => `${unit}^${powers.get(unit)}`)
      .join(";");
  });

  /* Return "meter per second" as meter and second to powers. */
  const powersOf = memoize((name) => {
    if (name === "milliliter") return powersOf("cubic centimeter");
    const { definition, family } = byName.get(name);
    if (family === "speed") {
      const [above, below] = definition.split(" / ");
      return multiply(`${above}^1`, `${below}^1`, -1);
    }
    const [base, power] = definition.split(" ** ");
    return power ? `${base}^${power}` : `${name}^1`;
  });

  /* Return the powers of `a` per `b`. */
  const ratio = (a, b) => multiply(powersOf(a.name), powersOf(b.name), -1);

  /* A conversion factor, and the claims that state it. */
  const makeFactor = (value, powers, claims = new Set()) => ({
    value,
    powers,
    claims,
  });

  /* List the factors between the units of a family, smallest first. */
  const factors = memoize((family) => {
    const members = units.filter((unit) => unit.family === family);
    const found = members.flatMap((a) =>
      members
        .filter((b) => a !== b)
        .map((b) => makeFactor(factor(a, b), ratio(b, a))),
    );
    return found.sort((a, b) => a.value - b.value);
  });

  const unitsOfName = memoize((name, source) => {
    const unit = byName.get(name);
    const others = units.filter(
      (other) => other.family === unit.family && other !== unit,
    );
    const pairs = [byName.get(source), ...others];
    return new Set(pairs.map((other) => ratio(unit, other)));
  });

  /* Return the powers that a number may have if this is its unit.

     "24 hours" is an amount, in hours per unit of the question's `source`,
     or it is 24 hours per day. */
  const unitsOf = (unit, source) => unitsOfName(unit.name, source);

  unitconv.dimensions = {
    factors,
    makeFactor,
    multiply,
    ratio,
    readPowers,
    unitsOf,
  };
}
