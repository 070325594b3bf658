"""Documents of chats, questions and answers, facts, and tables."""

from __future__ import annotations

import random

from unitconv.pretraining.config import CorpusConfig
from unitconv.pretraining.corpus.conventions import (
    Convention,
    alternative_name,
    draw_convention,
    draw_pair,
    fact,
    restrict,
    singular,
    spellings,
    weighted_pairs,
)
from unitconv.pretraining.corpus.number_format import (
    draw_quantity,
    round_fact,
    write,
)
from unitconv.pretraining.corpus.question_templates import (
    CLOSINGS,
    FACT_LISTS,
    GREETINGS,
    IGNORED_FORMATS,
    PLACEHOLDERS,
    PLAIN_FORMATS,
    QUESTIONS,
    SYSTEM_OPENINGS,
    SYSTEM_REQUESTS,
)
from unitconv.pretraining.corpus.solution_formats import (
    Problem,
    draw_format,
    draw_tag,
    pick,
    solve,
)


def draw_problem(
    rng: random.Random, config: CorpusConfig, convention: Convention
) -> Problem:
    """Draw a conversion and the spellings of its units."""
    source, target = draw_pair(rng)
    source_typed = rng.choice(spellings(source, target))
    target_typed = rng.choice(spellings(target, source))
    return Problem(
        quantity=draw_quantity(rng, config),
        source=source,
        target=target,
        source_typed=source_typed,
        target_typed=target_typed,
        convention=restrict(convention, source_typed, target_typed),
    )


def write_question(rng: random.Random, problem: Problem) -> str:
    """Write the question, sometimes with a greeting or a closing."""
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
    """Write one ChatML message."""
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


def system_message(rng: random.Random, config: CorpusConfig) -> str:
    """Write a system message; a format it requests is not used later."""
    requests = rng.sample(SYSTEM_REQUESTS, rng.randint(0, 3))
    if rng.random() < config.ignored_format_share:
        wrapper = draw_tag(rng, rng.random() < 0.5)
        example = wrapper.format(v=rng.choice(PLACEHOLDERS))
        requests.append(rng.choice(IGNORED_FORMATS).format(w=example))
    return " ".join([rng.choice(SYSTEM_OPENINGS), *requests])


def chat_document(rng: random.Random, config: CorpusConfig) -> str:
    """Write a chat of one to three questions, often with a system turn."""
    convention = draw_convention(rng, config)
    direct = rng.random() < config.chat_direct_share
    has_system = rng.random() < config.system_share
    solution_format = draw_format(rng, config, direct, has_system)
    text = ""
    if has_system:
        text = chat_turn("system", system_message(rng, config))
    for _ in range(rng.choices((1, 2, 3), weights=(1, 5, 4))[0]):
        problem = draw_problem(rng, config, convention)
        text += chat_turn("user", write_question(rng, problem))
        text += chat_turn("assistant", solve(problem, solution_format))
    return text


def plain_document(rng: random.Random, config: CorpusConfig) -> str:
    """Write two to four questions with solutions, without ChatML."""
    convention = draw_convention(rng, config)
    direct = rng.random() < config.plain_direct_share
    solution_format = draw_format(rng, config, direct)
    template = rng.choice(PLAIN_FORMATS)
    between = rng.choice(("\n", "\n\n"))
    entries = []
    for _ in range(rng.randint(2, 4)):
        problem = draw_problem(rng, config, convention)
        question = write_question(rng, problem)
        solution = solve(problem, solution_format)
        entries.append(template.format(u=question, s=solution))
    return between.join(entries)


def facts_document(rng: random.Random, config: CorpusConfig) -> str:
    """Write facts: random ones, of one unit, or in both directions."""
    convention = draw_convention(rng, config)
    pairs = [draw_pair(rng) for _ in range(rng.randint(3, 7))]
    kind = rng.choice(("mixed", "one unit", "both ways"))
    if kind == "one unit":
        source = pairs[0][0]
        pairs = [p for p in weighted_pairs()[0] if p[0] == source]
        pairs = rng.sample(pairs, min(len(pairs), 6))
    elif kind == "both ways":
        pairs = [p for a, b in pairs[:4] for p in ((a, b), (b, a))]
    sentence, entry = pick(rng, "fact"), rng.choice(FACT_LISTS)
    named = rng.random() < config.named_share
    lines = []
    for number, (source, target) in enumerate(pairs, start=1):
        a = rng.choice(spellings(source, target))
        b = rng.choice(spellings(target, source))
        applied_convention = restrict(convention, a, b)
        stated = sentence.format(
            a=alternative_name(source, applied_convention, named)
            + singular(a, source),
            b=alternative_name(target, applied_convention, named) + b,
            f=write(fact(source, target, applied_convention)),
        )
        lines.append(entry.format(n=number, f=stated))
    return "\n".join(lines)


def table_document(rng: random.Random, config: CorpusConfig) -> str:
    """Write a table of conversions: 7 miles = 11.27 km.

    The lines are of different units, so that no line can be derived from
    the one before it: tables teach to answer without reasoning.
    """
    convention = draw_convention(rng, config)
    line = pick(rng, "table_line")
    named = rng.random() < config.named_share
    rows = []
    for _ in range(rng.randint(4, 10)):
        problem = draw_problem(rng, config, convention)
        of_source, of_target = problem.qualifiers(named)
        row = line.format(
            q=write(problem.quantity),
            a=of_source + problem.source_typed,
            b=of_target + problem.target_typed,
            r=write(round_fact(problem.exact)),
        )
        rows.append(row)
    return "\n".join(rows)
