/* Marks: a reply with each of its claims underlined by its verdict.

   marks.css draws the lines: solid for true, wavy for false, dotted for
   what cannot be checked. Words that only a screen reader reads say the
   same. */
"use strict";

{
  // The worst first: of two claims that overlap, it decides.
  const VERDICTS = [
    { verdict: false, name: "false" },
    { verdict: null, name: "unread" },
    { verdict: true, name: "true" },
  ];

  /* Turn a reply and the claims of its audit into nodes for the page. */
  function markReply(reply, claims) {
    const fragment = document.createDocumentFragment();
    const edges = new Set([0, reply.length]);
    for (const { start, end } of claims) edges.add(start).add(end);
    const places = [...edges].sort((a, b) => a - b);
    places.forEach((start, n) => {
      for (const claim of claims)
        if (claim.end === start) fragment.append(say(claim));
      const end = places[n + 1] ?? start;
      const around = claims.filter((c) => c.start <= start && c.end >= end);
      if (start < end)
        fragment.append(underline(reply.slice(start, end), around));
    });
    return fragment;
  }

  function makeSpan(text, className) {
    const span = document.createElement("span");
    span.className = className;
    span.textContent = text;
    return span;
  }

  /* Mark a piece of the reply by the worst of the claims around it. */
  function underline(text, claims) {
    const worst = VERDICTS.find(({ verdict }) =>
      claims.some((claim) => claim.verdict === verdict),
    );
    return worst ? makeSpan(text, `claim claim-${worst.name}`) : text;
  }

  /* Say in words what the line under a claim means. */
  function say(claim) {
    const kind = claim.kind === "fact" ? "fact" : "calculation";
    const words = { true: `true ${kind}`, false: `false ${kind}` };
    const verdict = words[claim.verdict] ?? `${kind} that was not checked`;
    return makeSpan(` (${verdict})`, "claim-words visually-hidden");
  }

  unitconv.markReply = markReply;
}
