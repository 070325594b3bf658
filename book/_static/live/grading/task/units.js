/* Units: their spellings, and exact conversion factors.

   Every number was computed by pint while the book was built. As in the
   library, an ounce is a fluid ounce where the other unit is a volume. */
"use strict";

{
  const { compile } = unitconv.patterns;
  const { divide, multiply, parseFraction, toNumber } = unitconv.numbers;
  const { tables } = unitconv;

  const readUnits = (rows) =>
    rows.map((row) => ({ ...row, size: parseFraction(row.size) }));
  const units = readUnits(tables.units);
  const alternativeUnits = readUnits(tables.alternativeUnits);

  const byName = new Map(
    [...alternativeUnits, ...units].map((unit) => [unit.name, unit]),
  );
  const bySpelling = new Map(
    [...units, ...alternativeUnits].flatMap((unit) =>
      unit.spellings.map((spelling) => [spelling, unit]),
    ),
  );
  // Capitals matter only in spellings of one or two letters.
  const byLowercase = new Map(
    [...bySpelling]
      .filter(([spelling]) => spelling.length > 2)
      .map(([spelling, unit]) => [spelling.toLowerCase(), unit]),
  );
  const blanks = compile("[@{s}]+", "g");

  /* Look up a unit by one of its spellings; null if it is unknown. */
  function lookup(spelling) {
    const clean = spelling.replace(blanks, " ").replace(/^ | $/g, "");
    const unit =
      bySpelling.get(clean) ?? byLowercase.get(clean.toLowerCase());
    return unit ?? null;
  }

  /* Look up the two units of a conversion; null if there is none. */
  function resolve(source, target) {
    let [a, b] = [lookup(source), lookup(target)];
    if (!a || !b) return null;
    const fluidOunce = byName.get("fluid ounce");
    if (a.name === "ounce" && b.family === "volume") a = fluidOunce;
    if (b.name === "ounce" && a.family === "volume") b = fluidOunce;
    return a.family === b.family ? [a, b] : null;
  }

  /* Return how many `target` make one `source`, as a fraction. */
  const exactFactor = (source, target) => divide(source.size, target.size);

  /* Return the same as a float. */
  const factor = (source, target) => toNumber(exactFactor(source, target));

  /* Multiply a finite quantity by the exact factor of two units. */
  const times = (quantity, source, target) =>
    toNumber(
      multiply(
        parseFraction(String(quantity)),
        exactFactor(source, target),
      ),
    );

  /* Convert a finite quantity between two spellings; null if impossible. */
  function convert(quantity, source, target) {
    const pair = resolve(source, target);
    return pair && times(quantity, pair[0], pair[1]);
  }

  unitconv.units = {
    units,
    alternativeUnits,
    byName,
    lookup,
    resolve,
    exactFactor,
    factor,
    times,
    convert,
  };
}
