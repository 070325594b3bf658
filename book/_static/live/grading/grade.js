/* Grading of one reply: parsed, compared, audited, classified. */
"use strict";

{
  const { isClose } = unitconv.numbers;
  const { isCorrect } = unitconv.answer;
  const { namesOtherUnit } = unitconv.audit;
  const { AUDIT_TOLERANCE } = unitconv.claims;
  const { alternativeUnits, byName, factor, units } = unitconv.units;
  const { auditReasoning, parseAnswer, parseQuestion } = unitconv;

  // Classes of wrong answers, the most specific first.
  const FAILURES = [
    ...["no answer", "wrong direction", "namesake", "wrong fact"],
    ...["wrong arithmetic", "another unit", "other"],
  ];

  /* Grade a reply to a question, {text, answer}: the sentence, the truth.

     Returns the parsed `answer` (NaN if there is none), whether it is
     `correct`, the `claims` and the `fault` of the audit, and `failure`,
     the class of a wrong answer (null for a right one). */
  function grade(question, reply) {
    const answer = parseAnswer(reply);
    const { claims, fault } = auditReasoning(reply, question.text);
    const conversion = parseQuestion(question.text);
    const otherUnit = namesOtherUnit(reply, conversion);
    const correct = isCorrect(answer, question.answer) && !otherUnit;
    const factsOk = allTrue(claims, "fact");
    const arithmeticOk = allTrue(claims, "arithmetic");
    let failure = null;
    if (otherUnit) failure = "another unit";
    else if (!correct)
      failure = findFailure(answer, conversion, factsOk, arithmeticOk);
    return {
      ...{ answer, correct, factsOk, arithmeticOk },
      ...{ claims, fault, failure },
    };
  }

  /* Are the claims of a kind true? null if none of them was checked. */
  function allTrue(claims, kind) {
    const verdicts = claims
      .filter((claim) => claim.kind === kind)
      .map((claim) => claim.verdict);
    if (verdicts.includes(false)) return false;
    return verdicts.includes(true) ? true : null;
  }

  /* Return the first of FAILURES that fits a wrong answer. */
  function findFailure(answer, conversion, factsOk, arithmeticOk) {
    const fits = {
      "no answer": Number.isNaN(answer),
      "wrong fact": factsOk === false,
      "wrong arithmetic": arithmeticOk === false,
      other: true,
    };
    const mistakes = conversion ? mistakesWith(conversion) : {};
    for (const [name, values] of Object.entries(mistakes))
      fits[name] = values.some(
        (value) =>
          isClose(answer, value, AUDIT_TOLERANCE) &&
          !isCorrect(value, conversion.answer),
      );
    return FAILURES.find((name) => fits[name]);
  }

  /* List units of the same plain name, such as ton and short ton. */
  const namesakes = (unit) => [
    unit,
    ...alternativeUnits.filter(
      ({ name }) => name.slice(name.indexOf(" ") + 1) === unit.name,
    ),
  ];

  /* Return the numbers that known mistakes give, by failure class. */
  function mistakesWith({ quantity, answer, source, target, family }) {
    const [a, b] = [byName.get(source), byName.get(target)];
    // A reply that repeats the quantity has converted nothing, so source
    // and target never replace each other.
    const others = units.filter(
      (unit) => unit.family === family && unit !== a && unit !== b,
    );
    return {
      "wrong direction": answer === 0 ? [] : [quantity ** 2 / answer],
      namesake: namesakes(a).flatMap((from) =>
        namesakes(b).map((to) => quantity * factor(from, to)),
      ),
      "another unit": others.flatMap((other) => [
        quantity * factor(a, other),
        quantity * factor(other, b),
      ]),
    };
  }

  unitconv.grade = grade;
}
