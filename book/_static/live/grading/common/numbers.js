/* Numbers as Python has them: fractions, and how floats are compared.

   A fraction is [numerator, denominator], two BigInts. */
"use strict";

{
  /* Read an integer, "a/b", or a decimal such as 1.5e-7. */
  function parseFraction(text) {
    const [top, bottom] = text.split("/");
    if (bottom) return [BigInt(top), BigInt(bottom)];
    const [digits, exponent = "0"] = text.toLowerCase().split("e");
    const [whole, decimals = ""] = digits.split(".");
    const places = decimals.length - Number(exponent);
    const scale = 10n ** BigInt(Math.abs(places));
    const integer = BigInt(whole + decimals);
    return places < 0 ? [integer * scale, 1n] : [integer, scale];
  }

  const multiply = ([a, b], [c, d]) => [a * c, b * d];
  const divide = ([a, b], [c, d]) => [a * d, b * c];
  const equal = ([a, b], [c, d]) => a * d === b * c;

  const bits = (integer) => integer.toString(2).length;
  const shift = (integer, by) => (by > 0 ? integer << BigInt(by) : integer);

  /* Round a fraction to the nearest float, ties to even. */
  function toNumber([numerator, denominator]) {
    if (numerator < 0n) return -toNumber([-numerator, denominator]);
    if (numerator === 0n) return 0;
    // 2 ** exponent <= value < 2 ** (exponent + 1)
    let exponent = bits(numerator) - bits(denominator);
    const reached =
      shift(numerator, -exponent) >= shift(denominator, exponent);
    if (!reached) exponent -= 1;
    // A float has 53 bits, and none below 2 ** -1074.
    const last = Math.max(exponent - 52, -1074);
    const top = shift(numerator, -last);
    const bottom = shift(denominator, last);
    let rounded = top / bottom;
    const twice = 2n * (top % bottom);
    if (twice > bottom || (twice === bottom && rounded % 2n)) rounded += 1n;
    return Number(rounded) * 2 ** last;
  }

  /* Python's math.isclose with a relative tolerance. */
  function isClose(a, b, tolerance) {
    if (a === b) return true;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
    const difference = Math.abs(a - b);
    return (
      difference <= Math.abs(tolerance * a) ||
      difference <= Math.abs(tolerance * b)
    );
  }

  /* Round to 3 decimals; a tie, such as 0.0625, goes to the even digit. */
  function roundTo3(value) {
    if (!Number.isFinite(value)) return value;
    const digits = value.toFixed(3); // takes ties away from zero
    const isTie = Math.abs(value * 16) % 2 === 1;
    const last = Number(digits.at(-1));
    if (isTie && last % 2) return Number(digits.slice(0, -1) + (last - 1));
    return Number(digits);
  }

  /* Python's max: a NaN counts as no larger than what is before it. */
  const largest = (values) =>
    values.length ? values.reduce((a, b) => (b > a ? b : a)) : 0;

  /* Find the place of the last digit that is not zero: -2 for 5.63. */
  function lastPlace(value) {
    const [digits, exponent = "0"] = String(value).split("e");
    const [whole, decimals = ""] = digits.split(".");
    const zeros = /0*$/.exec(whole + decimals)[0].length;
    return Number(exponent) - decimals.length + zeros;
  }

  unitconv.numbers = {
    parseFraction,
    multiply,
    divide,
    equal,
    toNumber,
    isClose,
    roundTo3,
    largest,
    lastPlace,
  };
}
