/* Audit of reasoning: is all of it true, and does it lead to the answer? */
"use strict";

{
  const { compile, countCharacters, endOfCharacters } = unitconv.patterns;
  const { equal } = unitconv.numbers;
  const { answerUnit } = unitconv.answer;
  const { readLinks, states } = unitconv.claims;
  const { byName, exactFactor, resolve } = unitconv.units;
  const { Derivation, TracedText, parseAnswer, parseQuestion } = unitconv;

  // Beyond these, nobody can follow the reasoning.
  const LONGEST_REPLY = 3_000; // characters; no more are read
  const MOST_LINKS = 200;
  const IS_BEFORE_TAG = compile("(?:=|\u2248| is)[@{s}]*$");

  /* Check the equations in a reply, and that they lead to its answer.

     Returns the claims of the reply and its fault: "no reasoning", "false
     statement", "wrong unit", "does not lead to the answer", or null. Each
     claim has its `text`, its place in the reply (from `start` to `end`),
     its `kind` ("fact" or "arithmetic"), its `verdict` (true, false, or
     null if it cannot be checked), and is `used` if the answer follows
     from it. */
  function auditReasoning(text, question) {
    const [before, after] = readReply(text);
    const conversion = parseQuestion(question);
    const claims = [...before, ...after]
      .flat()
      .map((link) => link.claim)
      .filter((claim) => claim);
    const used = claimsUsed(before, text, conversion);
    return judge(claims, used, namesOtherUnit(text, conversion));
  }

  /* Read the equations before the answer, and those after it. */
  function readReply(text) {
    const [opening, closing] = ["<answer>", "</answer>"];
    text = text.slice(0, endOfCharacters(text, LONGEST_REPLY));
    const tag = text.indexOf(opening);
    if (tag < 0)
      return [TracedText.cut(text, 0, text.length), new TracedText()].map(
        readLinks,
      );
    const inside = tag + opening.length;
    const closed = text.indexOf(closing, inside);
    const end = closed < 0 ? text.length : closed;
    const before = TracedText.cut(text, 0, tag);
    if (IS_BEFORE_TAG.test(before.text)) {
      // "6 * 1000 = <answer>6000</answer>"
      const answer = TracedText.cut(text, inside, end);
      before.copy(answer, 0, answer.text.length);
    }
    const rest = closed < 0 ? end : end + closing.length;
    return [before, TracedText.cut(text, rest, text.length)].map(readLinks);
  }

  /* Find the worst fault of a reply.

     `used` are the places of the claims that the answer follows from; null
     if it follows from none. */
  function judge(claims, used, wrongUnit) {
    claims = claims.map((claim, n) => ({
      ...claim,
      used: Boolean(used?.has(n)),
    }));
    const verdicts = new Set(claims.map((claim) => claim.verdict));
    let fault = null;
    if (!verdicts.has(true) && !verdicts.has(false)) fault = "no reasoning";
    else if (verdicts.has(false)) fault = "false statement";
    else if (wrongUnit) fault = "wrong unit";
    else if (!used) fault = "does not lead to the answer";
    return { claims, fault };
  }

  /* Return true if the answer names another unit than the one asked. */
  function namesOtherUnit(text, conversion) {
    const symbol = conversion && answerUnit(text);
    return Boolean(symbol) && isOther(symbol, conversion);
  }

  /* Return true unless this unit is the one asked, or of its size. */
  function isOther(symbol, conversion) {
    const target = byName.get(conversion.target).spellings[0];
    const units = resolve(symbol, target);
    return !units || !equal(exactFactor(units[0], units[1]), [1n, 1n]);
  }

  /* Return which claims the answer follows from; null if from none. */
  function claimsUsed(chains, text, conversion) {
    const answer = parseAnswer(text);
    const links = chains.flat();
    const isTooLong =
      countCharacters(text) > LONGEST_REPLY || links.length > MOST_LINKS;
    if (Number.isNaN(answer) || isTooLong) return null;
    if (!conversion) return lastClaim(links, answer);
    const derivation = new Derivation(conversion);
    for (const link of links) derivation.addFact(link);
    for (const chain of chains) derivation.follow(chain);
    if (!isLast(answer, links, derivation)) return null;
    const facts = links.filter(isFact).map((link) => link.index);
    const behind = derivation.claimsBehind(answer);
    const usesFact = facts.some((index) => behind?.has(index));
    return facts.length && !usesFact ? null : behind;
  }

  /* Return the last claim if it is true and gives the answer. */
  function lastClaim(links, answer) {
    const last = links.filter((link) => link.claim && link.left).at(-1);
    if (!last || !states(links.at(-1).right.value, answer)) return null;
    if (last.holds && states(last.right.value, answer))
      return new Set([last.index]);
    return null;
  }

  /* Return true if only what was given is stated after the answer.

     That is the quantity or a factor, as in "check: 6000 / 1000 = 6". */
  function isLast(answer, links, derivation) {
    for (const { right } of [...links].reverse()) {
      const unit = right.hasOperator ? null : right.unit;
      if (states(right.value, answer))
        return unit === null || !isOther(unit, derivation.conversion);
      if (!derivation.isGiven(right.value)) return false;
    }
    return false;
  }

  /* Return true for a fact about two units, true or unread. */
  const isFact = ({ claim, left, right }) =>
    claim?.kind === "fact" && left && left.unit !== right.unit;

  unitconv.auditReasoning = auditReasoning;
  unitconv.audit = { namesOtherUnit };
}
