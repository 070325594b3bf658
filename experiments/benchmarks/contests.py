"""Who is compared with whom, on what, and what we hope for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contest:
    """A workload, a peer, and by what factor we want to be faster."""

    job: str
    peer: str
    goal: float | None = None
    ours: str = "ours"

    def matches(self, only: str) -> bool:
        """Whether `only` asks for this one: a job, a `:peer`, both as
        `job:peer`, or all."""
        job, _, peer = only.partition(":")
        return job in ("", self.job) and peer in ("", self.peer)


CONTESTS = (
    Contest("evaluation", "hf_batched", 5.0),
    Contest("evaluation", "hf_prefix", 2.5),
    Contest("evaluation", "hf_continuous"),
    Contest("evaluation", "ctranslate", 1.8),
    Contest("evaluation", "llamacpp", 2.0),
    Contest("rollouts", "hf_batched", 6.0),
    Contest("no shared prefix", "hf_batched", 1.6),
    Contest("one sequence", "hf_batched", 1.3),
    Contest("one sequence", "llamacpp", 1.3),
)

# Peers that compute in a dtype of their own, whatever they are asked for.
PEER_DTYPES = {
    "ctranslate": "float32",
    "llamacpp": "{ours} with a float16 cache",
}


def dtypes(peer: str, ours: str) -> str:
    """The dtypes of a contest: ours, and where it is another, theirs."""
    theirs = PEER_DTYPES.get(peer, ours).format(ours=ours)
    return ours if theirs == ours else f"{ours}, theirs {theirs}"
