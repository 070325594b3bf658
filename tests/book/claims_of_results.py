"""Numbers that the chapters on results take from their outputs."""

from tests.book.claims import Claim, D, N, percent

RESULTS = {
    "09_rft": [
        Claim(
            rf"round alike, here for all {N} questions",
            rf"{D} of \d+ questions with the recorded replies",
        ),
        Claim(
            rf"Of the {N} right answers, {N} have faulty reasoning, .*? of "
            rf"the {N} wrong answers",
            rf"False\s+{D}\s+{D}\s+0\s+True\s+{D}\s+{D}\s+{D}",
            lambda a, b, c, d, valid: (c + d + valid, c + d, a + b),
        ),
        Claim(
            rf"audit refuses all {N} of the record",
            rf"questions: {D} near misses,\nof which the audit lets 0 pass",
        ),
        Claim(
            rf"base takes steps in {N} % of its replies",
            rf"at once\s+long product\s+{D}(?:.*\n)+?in steps long product"
            rf"\s+{D}",
            lambda once, steps: (100 * steps / (once + steps),),
        ),
        Claim(
            rf"T = 0.4 is ahead \({D} against {D}\)",
            rf"T = 0.4: {D} with one.*\nT = 0.8: {D} with one",
        ),
        Claim(
            rf"A gain of {D} points is \*not shown\*",
            rf"difference \+{D} \[.*\nRFT, live, .*: not shown",
            percent,
        ),
        Claim(
            rf"more paths would add only {N} triples",
            rf"at most  2:.* {D} of all\n.*\nat most 10:.* {D} of all",
            lambda two, ten: (ten - two,),
        ),
        Claim(
            rf"gets {N} % of the long products right .*? takes steps in "
            rf"{N} % and gets {N} % right",
            rf"cot\s+long product\s+324\s+{D}.*\nrft-1\s+long product\s+"
            rf"324\s+{D}\s+{D}",
            lambda cot, rft, steps: percent(cot, steps, rft),
        ),
        Claim(
            rf"rule throws out {N} valid replies, .*? lets through {N} "
            "faulty ones",
            rf"leads there\s+False\s+\d+\s+\d+\s+{D}\s+True\s+{D}\s+{D}",
            lambda valid, a, b: (valid, a + b),
        ),
    ],
    "10_online_rl": [
        Claim(
            rf"{D} of the validation .*? {D} after ten and {D} after",
            rf"step  0: {D} .*\nstep 10: {D} .*\nstep 20: {D} ",
        ),
        Claim(
            rf"base from {D} to {D} on `test` and from {D} to {D}",
            rf"\ncot +0 +{D} .*\ndr_grpo +5,120 +{D} \((?:.*\n)+?"
            rf"cot +{D} .*\ndr_grpo +{D} \(",
            lambda base, run, base_hard, hard: (base, run, base_hard, hard),
        ),
        Claim(
            rf"`rft-few-cot`, RFT has {D} and {D},",
            rf"\nrft-few-cot +6,000 +{D} (?:.*\n)+?rft-few-cot +{D} ",
        ),
        Claim(
            rf"20,000 samples, has {D} and {D}, the best",
            rf"\nrft-cot +20,000 +{D} (?:.*\n)+?rft-cot +{D} ",
        ),
        Claim(
            rf"`rft-cot` validation rises from {D} to {D}\.",
            rf"after-rft-cot: on validation {D}, .*, {D}\n",
        ),
        Claim(
            rf"gains on hard questions, {D} to {D}, .*? {D} becomes {D}:",
            rf"\ntest +warm +right {D},.*\ntest +bare-warm +right {D},"
            rf"(?:.*\n)+?test_hard +warm +right {D},.*\n"
            rf"test_hard +bare-warm +right {D},",
            lambda a, b, hard, harder: (hard, harder, a, b),
        ),
        Claim(
            rf"rows are `grpo` at {D}, `dapo` at {D}, and .*? at {D}\.",
            rf"\ngrpo .* {D}\ndapo .* {D}\nKL of 0.05 .* {D}",
        ),
    ],
    "11_evaluation": [
        Claim(
            rf"differ that much in {N} % of the cases",
            rf"{D}% of the pairs are six or more apart",
        ),
        Claim(
            rf"a false alarm in {D} % .*? detected in {N} % of the cases, "
            rf"and by the unpaired test in {N} %",
            rf"\+0.00, paired_p .* in {D}%\n.*unpaired_p .* in {D}%\n.* in "
            rf"{D}%",
            lambda alarm, unpaired, paired: (alarm, paired, unpaired),
        ),
        Claim(
            rf"gains {N} questions over `cot`, but it also loses {N} that",
            rf"cot to rft:\s+{D} lost, {D} gained",
            lambda lost, gained: (gained, lost),
        ),
        Claim(
            rf"and scores higher, {D} instead of {D}\. Report",
            rf"right of answered {D}, .*\n.*right of answered {D},",
            lambda before, after: (after, before),
        ),
        Claim(rf"p counts all {N} comparisons", rf"\n?{D} tests; "),
        Claim(
            rf"hold {N} of its {N} errors",
            rf"wrong arithmetic\s+0\s+{D}(?:.*\n)another unit\s+0\s+{D}"
            rf"(?:.*\n)+?(?:.*\n)*?.*False\s+{D}\s+0",
            lambda wrong, other, all_of_them: (wrong + other, all_of_them),
        ),
        Claim(
            rf"fall from {N} to {N} of {N}, and wrong arithmetic on long "
            rf"products from {N} to {N} of {N}\.",
            rf"two-hop\s+{D}\s+{D}\s+{D}\s+long product\s+{D}(?:.*\n)+?"
            rf"long product\s+{D}\s+{D}",
            lambda hops, a, b, long, c, d: (a, b, hops, c, d, long),
        ),
        Claim(
            rf"Most of the gain, {N} of {N} questions net",
            rf"rft against cot: {D} lost, {D} gained, (?:.*\n)+?"
            rf"cot at once, rft in steps\s+\d+\s+{D}\s+{D}",
            lambda lost, won, more, less: (more - less, won - lost),
        ),
        Claim(
            rf"`rft` has {N} false sums and `cot` {N},",
            rf"false product\s+\d+\s+\d+\nfalse sum\s+{D}\s+{D}\n",
            lambda cot, rft: (rft, cot),
        ),
        Claim(
            rf"costs `cot` {N} points; .*? costs `cot` {N} points and "
            rf"`rft` {N}\. ",
            rf"cot, larger quantity: -{D} .*\ncot, odd wording: -{D} .*\n"
            rf".*\nrft, odd wording: -{D}",
            percent,
        ),
        Claim(
            rf"Of these {N} replies, {N} state something false",
            rf"cot: right, but false statement: {D},(?:.*\n)+?cot: right, "
            rf"but does not lead to the answer: {D},(?:.*\n)+?rft: right, "
            rf"but false statement: {D},",
            lambda a, b, c: (a + b + c, a + c),
        ),
        Claim(
            rf"bare question rises from 0 to {D}\. Here",
            rf"any number\s+{D}",
        ),
        Claim(
            rf"raise the false alarms from {N} % to {N} %",
            rf"looking once {D}%, looking twenty times {D}%",
        ),
    ],
    "12_smollm2": [
        Claim(
            rf"answers {N} of the 200 questions, with two {N}, and with "
            rf"four {N}\.",
            rf"\n1\s+{D} \[.*\n2\s+{D} \[.*\n3 .*\n4\s+{D} \[",
            lambda *shares: tuple(200 * share for share in shares),
        ),
        Claim(
            rf"from {D} to {D} if code wrote it, and to {D} if the course",
            rf"n +right .*\ncot-4\s+1000\s+{D}(?:.*\n)+?"
            rf"distilled\s+1000\s+{D}.*\nsft-reasoning\s+1000\s+{D}",
            lambda before, course, code: (before, code, course),
        ),
        Claim(
            rf"`expert-1` says no: .*? it has {D}, .*? has {D}, and no",
            rf"random\s+1000\s+{D}.*\nexpert-1\s+1000\s+{D}",
            lambda random, expert: (expert, random),
        ),
        Claim(
            rf"Of its {N} replies {N} were kept",
            rf"base\s+300\s+{D} of {D}",
            lambda kept, sampled: (sampled, kept),
        ),
        Claim(
            rf"With the adapter {N} of the forty answers are right",
            rf"smollm2-sft\s+{D} of 40",
        ),
        Claim(
            rf"CPU, {D} GB in float32, is more than twice the {D} GB",
            rf"sft-reasoning\s+\d+\s+{D}\s+float32(?:.*\n)+?135M answers"
            rf"(?:.*\n)\s+reasoning\s+{D}",
        ),
    ],
    "90_pretraining": [
        Claim(
            rf"{N} of these {N} sentences mean the UK gallon",
            rf"UK {D}, US {D}",
            lambda uk, us: (uk, uk + us),
        ),
        Claim(
            rf"costs {D} nats per token\. The next two cost {D} and {D}:",
            rf"nats a token by turn:\n\['{D}', '{D}', '{D}'\]",
        ),
        Claim(
            rf"learning rate falls: from {D} to {D} and from {D} to {D}\. ",
            rf"\nanswers(?:.*\n){{1}}.* {D} before.*\n.*\n?.* {D} in the "
            rf"end(?:.*\n)+?hard answers(?:.*\n){{1}}.* {D} before.*\n.* "
            rf"{D} in the end",
        ),
        Claim(
            rf"second answer rises from {D} to {D}, .*? is back at {D},",
            rf"answer 2: {D} nats in its chat, {D} transplanted\nanswer 3: "
            rf"\S+ nats in its chat, {D} ",
        ),
        Claim(
            rf"{N} of the twenty replies mean the UK gallon\. {N} of these",
            rf"UK\s+False\s+False\s+{D}\n\d\s+UK\s+True\s+False\s+{D}",
            lambda a, b: (a + b, b),
        ),
    ],
}
