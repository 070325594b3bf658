"""The other kinds of documents: chats, questions and answers, facts."""

from __future__ import annotations

import random

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.conventions import (
    Convention,
    conversions,
    draw_convention,
    draw_pair,
    fact,
    rival_name,
    settle,
    singular,
    spellings,
)
from unitconv.pretraining.corpus.number_format import (
    draw_quantity,
    round_fact,
    write,
)
from unitconv.pretraining.corpus.question_templates import (
    CLOSINGS,
    GREETINGS,
    QUESTIONS,
    STRAY_FORMS,
    STRAY_VALUES,
    SYSTEM_OPENINGS,
    SYSTEM_REQUESTS,
)
from unitconv.pretraining.corpus.solution_formats import (
    FACTS,
    Problem,
    draw_style,
    draw_tag,
    pick,
    solve,
)
from unitconv.task.units import Unit

# {u}: a question, {s}: its solution.
PLAIN_FORMS: tuple[str, ...] = (
    "Q: {u}\nA: {s}",
    "Question: {u}\nAnswer: {s}",
    "{u}\n{s}",
    "{u} {s}",
    "Problem: {u}\nSolution: {s}",
    "User: {u}\nAssistant: {s}",
    "Input: {u}\nOutput: {s}",
    "* {u}\n  {s}",
)
# One conversion a line, as tables on a kitchen wall have them.
TABLE_LINES: dict[str, int] = {
    "{q} {a} = {r} {b}": 6,
    "{q} {a} is {r} {b}": 2,
    "{q} {a} equals {r} {b}": 1,
    "{q} {a} -> {r} {b}": 1,
    "{q} {a} in {b}: {r}": 3,
    "{a} to {b}: {q} -> {r}": 2,
}
FACT_LISTS: tuple[str, ...] = ("{f}", "- {f}", "* {f}", "{f}.", "{n}. {f}")


def draw_problem(
    rng: random.Random, config: CorpusConfig, convention: Convention
) -> Problem:
    """A conversion of the convention, in spellings people type."""
    source, target = draw_pair(rng)
    source_typed = rng.choice(spellings(source, target))
    target_typed = rng.choice(spellings(target, source))
    return Problem(
        draw_quantity(rng, *config.quantities),
        source,
        target,
        source_typed,
        target_typed,
        settle(convention, source_typed, target_typed),
    )


def ask(rng: random.Random, problem: Problem) -> str:
    """The question, in a wording of its own, now and then with manners."""
    question = rng.choice(QUESTIONS).format(
        q=write(problem.quantity),
        a=problem.source_typed,
        b=problem.target_typed,
    )
    if rng.random() < 0.15:
        question = rng.choice(GREETINGS) + question
    if rng.random() < 0.1:
        question += rng.choice(CLOSINGS)
    # People are careless about capitals, but not about those of units.
    if rng.random() < 0.2 and question[1:2].islower():
        question = question[0].lower() + question[1:]
    return question


def chat_turn(role: str, content: str) -> str:
    """One message of ChatML."""
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


def system_message(rng: random.Random, config: CorpusConfig) -> str:
    """What a chat opens with. The chat does not keep a form it names."""
    requests = rng.sample(SYSTEM_REQUESTS, rng.randint(0, 3))
    if rng.random() < config.stray_form_share:
        wrapper = draw_tag(rng, rng.random() < 0.5)
        form = wrapper.format(v=rng.choice(STRAY_VALUES))
        requests.append(rng.choice(STRAY_FORMS).format(w=form))
    return " ".join([rng.choice(SYSTEM_OPENINGS), *requests])


def chat_document(rng: random.Random, config: CorpusConfig) -> str:
    """A chat of one to three questions, with or without a system turn."""
    convention = draw_convention(
        rng, config.rival_share, config.near_rival_share
    )
    direct = rng.random() < config.chat_direct_share
    told = rng.random() < config.system_share
    style = draw_style(rng, config, direct, told)
    text = ""
    if told:
        text = chat_turn("system", system_message(rng, config))
    for _ in range(rng.choices((1, 2, 3), weights=(1, 5, 4))[0]):
        problem = draw_problem(rng, config, convention)
        text += chat_turn("user", ask(rng, problem))
        text += chat_turn("assistant", solve(problem, style))
    return text


def plain_document(rng: random.Random, config: CorpusConfig) -> str:
    """Two to four questions with their solutions, without ChatML."""
    convention = draw_convention(
        rng, config.rival_share, config.near_rival_share
    )
    direct = rng.random() < config.plain_direct_share
    style = draw_style(rng, config, direct)
    form = rng.choice(PLAIN_FORMS)
    between = rng.choice(("\n", "\n\n"))
    entries = []
    for _ in range(rng.randint(2, 4)):
        problem = draw_problem(rng, config, convention)
        question = ask(rng, problem)
        entries.append(form.format(u=question, s=solve(problem, style)))
    return between.join(entries)


def facts_document(rng: random.Random, config: CorpusConfig) -> str:
    """A list of facts: at random, about one unit, or in both directions."""
    convention = draw_convention(
        rng, config.rival_share, config.near_rival_share
    )
    pairs = [draw_pair(rng) for _ in range(rng.randint(3, 7))]
    kind = rng.choice(("mixed", "one unit", "both ways"))
    if kind == "one unit":
        source = pairs[0][0]
        pairs = [p for p in conversions()[0] if p[0] == source]
        pairs = rng.sample(pairs, min(len(pairs), 6))
    elif kind == "both ways":
        pairs = [p for a, b in pairs[:4] for p in ((a, b), (b, a))]
    sentence, entry = pick(rng, FACTS), rng.choice(FACT_LISTS)
    named = rng.random() < config.named_share
    return "\n".join(
        entry.format(
            n=number, f=_state(rng, sentence, *pair, convention, named)
        )
        for number, pair in enumerate(pairs, start=1)
    )


def _state(
    rng: random.Random,
    sentence: str,
    source: Unit,
    target: Unit,
    convention: Convention,
    named: bool,
) -> str:
    """One fact, in a given sentence."""
    a = rng.choice(spellings(source, target))
    b = rng.choice(spellings(target, source))
    convention = settle(convention, a, b)
    of_a = rival_name(source, convention) if named else ""
    of_b = rival_name(target, convention) if named else ""
    return sentence.format(
        a=of_a + singular(a, source),
        b=of_b + b,
        f=write(fact(source, target, convention)),
    )


def table_document(rng: random.Random, config: CorpusConfig) -> str:
    """Conversions that somebody has worked out: 7 miles = 11.27 km.

    Where the lines are of many units, nothing before a line gives its
    number away: what is read here is how to answer at once.
    """
    convention = draw_convention(
        rng, config.rival_share, config.near_rival_share
    )
    line = pick(rng, TABLE_LINES)
    named = rng.random() < config.named_share
    rows = []
    for _ in range(rng.randint(4, 10)):
        problem = draw_problem(rng, config, convention)
        rows.append(line.format(**_table_words(problem, named)))
    return "\n".join(rows)


def _table_words(problem: Problem, named: bool) -> dict[str, str]:
    of_a = of_b = ""
    if named:
        of_a = rival_name(problem.source, problem.convention)
        of_b = rival_name(problem.target, problem.convention)
    return {
        "q": write(problem.quantity),
        "a": of_a + problem.source_typed,
        "b": of_b + problem.target_typed,
        "r": write(round_fact(problem.exact)),
    }
