"""Numbers that the prose of a chapter takes from an output.

Each claim is a pattern of the prose and one of the outputs, with as many
groups; what the outputs say may be computed from the groups. A chapter that
is executed again and says something else needs other words.
"""

from collections.abc import Callable
from dataclasses import dataclass

Numbers = tuple[float, ...]


def as_is(*found: float) -> Numbers:
    return found


def percent(*found: float) -> Numbers:
    return tuple(100 * value for value in found)


@dataclass(frozen=True)
class Claim:
    prose: str
    output: str
    made: Callable[..., Numbers] = as_is


N = r"(\S+?)"  # a number or its name
D = r"([\d.]+)"

BASICS = {
    "01_task": [
        Claim(
            rf"such as the {N} replies that have a right answer and",
            rf"True\s+{D}\s+\d+",
        ),
        Claim(
            rf"{N} of the ten are products .* other {N} count as another",
            rf"wrong arithmetic\s+{D}\nanother unit\s+{D}",
        ),
        Claim(
            rf"gives {D} to {D}, as in the first line",
            rf"60 of\s+100: {D} to {D}",
        ),
    ],
    "02_tokens": [
        Claim(
            rf"fails for {N} of the {N} numbers",
            rf"'cut anew' {D}\ndigits\s+'0' {D}",
        ),
        Claim(
            rf"There are {N} starts and {N} ends",
            rf"im_start\|>': {D}, '<\|im_end\|>': {D}",
        ),
    ],
    "03_network": [
        Claim(
            rf"Every token puts {N} of its weight on its left neighbor",
            rf"head \d+: {D}% on the token before",
        ),
        Claim(
            rf"{N} heads put more than half of their weight on the",
            rf"{D} of \d+ heads: more than half",
        ),
        Claim(
            rf"all heads its probability was {D}\. Without",
            rf"next: '6' with {D}",
        ),
        Claim(
            rf"head 1 of layer 5 it is {D}, without head 2 of layer 4 it "
            rf"is {D},",
            rf"layer 4\s+\S+\s+\S+\s+{D}\s+layer 5\s+\S+\s+{D}",
            lambda four, five: (five, four),
        ),
    ],
    "04_sequential": [
        Claim(
            rf"it reads {N} tokens to write {N},",
            rf"{D} tokens read to write {D}",
        ),
        Claim(
            rf"So {N} tokens are enough",
            rf"{D} tokens read instead of",
        ),
        Claim(rf"Top-p then keeps {N}\.", rf"top-p 0.8:\s+{D} tokens"),
        Claim(
            rf"{D} and {D} instead of {D}\. Both are within 5 %",
            rf"1 1 ounce .*<answer>{D}<.*\n2 .*\n3 .*<answer>{D}<.*\n"
            rf"the product: {D}",
        ),
    ],
    "05_batched": [
        Claim(
            rf"The others are off by {D} and {D}\.",
            r"left, no mask\s+\S+\s+(\S+)\s+(\S+)",
        ),
    ],
    "07_prompting": [
        Claim(
            rf"from no readable answer to {N} right answers of {N}\.",
            rf"cot\s+1.000\s+{D}\s+[\d.]+\s",
            lambda share: (200 * share, 200),
        ),
        Claim(
            rf"costs this one {N} points",
            rf"step by step -{D} to chat",
            percent,
        ),
        Claim(
            rf"{N} begin with a fact or a calculation, and {N} of these",
            rf"raw: {D} of .*\n.*and {D} of these with nothing false",
        ),
        Claim(
            rf"may still cost {D} points",
            rf"all numbers false: \S+ \[-{D},",
            percent,
        ),
        Claim(
            rf"accuracy falls by {N} points",
            rf"answer first: -{D} \[",
            percent,
        ),
        Claim(
            rf"The gain of {N} points costs more than three times",
            rf"difference \+{D} .*: cot is better",
            percent,
        ),
        Claim(
            rf"gains {N} points on short products and {N} on long ones",
            rf"short products: \+{D}\ngain, long products: \+{D}",
            percent,
        ),
        Claim(
            rf"{N} of {N} fail the audit",
            rf"one product: \d+ replies, {D} right, {D} of these",
            lambda right, valid: (right - valid, right),
        ),
        Claim(
            rf"{D} against {D} on `valid`, {D} against {D} on the hard",
            rf"valid: {D} with 1, \S+ with 15, greedy {D},.*"
            rf"hard: {D} with 1, \S+ with 15, greedy {D},",
        ),
        Claim(
            rf"above, {N} of {N} replies agreed on a wrong answer",
            rf"{D} of {D} say ",
        ),
    ],
    "08_sft": [
        Claim(
            rf"and {N} of 50 replies run on until",
            rf"{D} of 50 come to an end",
            lambda ended: (50 - ended,),
        ),
        Claim(
            rf"saves {D} instead of {D} MB",
            rf"all activations\s+{D} MB saved.*\ncheckpointing\s+{D} MB",
            lambda kept, spared: (spared, kept),
        ),
        Claim(
            rf"from {D} after one epoch to {D} after four",
            rf"valid:\s+\[{D}, \S+, \S+, {D}\]",
        ),
        Claim(
            rf"Here both rules choose epoch {N},",
            rf"lowest loss: epoch {D}\nhighest accuracy: epoch \1,",
        ),
        Claim(
            rf"answers {D} % of the questions in the form we want",
            rf"\nSFT\s+{D}\s+{D}\s+{D}\s+{D}\s",
            lambda right, low, high, answered: (100 * answered,),
        ),
        Claim(
            rf"is {N} points better than \*direct\*, .*? and {N} points",
            rf"against CoT: -{D} (?:.*\n){{2}}SFT against direct: \+{D}",
            lambda worse, better: percent(better, worse),
        ),
        Claim(
            rf"{N} replies still state something, .*? and {N} are right "
            rf"instead of {N}\.",
            rf"{D} of 100 replies state.*\nCoT: {D} right.*\n"
            rf"SFT, shown: {D} right",
            lambda stated, cot, sft: (stated, sft, cot),
        ),
    ],
}
