"""Settings of the corpus and of the training run."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CorpusConfig:
    """Composition of the corpus. Shares are of documents unless noted."""

    # Kinds of documents.
    chat_share: float = 0.3
    plain_share: float = 0.06
    facts_share: float = 0.06
    table_share: float = 0.08
    arithmetic_share: float = 0.5
    # Documents that answer without reasoning.
    chat_direct_share: float = 0.4
    plain_direct_share: float = 0.4
    # Of these, those that round to the first digit: 2000 for 2268.
    rough_share: float = 0.52
    # Probability of each alternative definition in a document: of those
    # far from the course's own (a UK gallon), and of those within its
    # tolerance (a month of 30 days).
    alternative_share: float = 0.32
    near_alternative_share: float = 0.25
    # Documents that name an alternative unit: "1 UK gallon = 4.546 l".
    named_share: float = 0.95
    # Quantities in 1..12, and halves, of all quantities.
    small_share: float = 0.5
    half_share: float = 0.1
    # Solutions that multiply in partial products, where the quantity and
    # the factor have two digits or more; the others multiply at once.
    steps_share: float = 0.45
    # Solutions that convert through a third unit, between distant units.
    hop_share: float = 0.4
    # Weight of pairs of distant units, relative to the others.
    distant_weight: float = 0.25
    # Documents of arithmetic by kind: products of one digit; of more
    # digits at once, and in partial products; sums; powers of ten; round
    # factors; quotients.
    digit_weight: int = 5
    product_weight: int = 1
    steps_weight: int = 8
    sum_weight: int = 13
    power_weight: int = 1
    round_weight: int = 1
    quotient_weight: int = 1
    # Chats that begin with a system turn.
    system_share: float = 0.85
    # System turns that ask for an answer format the chat does not use.
    ignored_format_share: float = 0.9
    # How a document marks its final values: by the habitual phrase ("The
    # answer is 7"), more often in chats with a system turn; of the others,
    # by a tag word, a tag of random letters, or brackets and words.
    habit_share: float = 0.25
    system_habit_share: float = 0.65
    tag_share: float = 0.25
    random_tag_share: float = 0.35
    # Documents that divide by a whole number where possible.
    divide_share: float = 0.1


@dataclass(frozen=True)
class PretrainConfig:
    """Model shape, data and optimization of a training run."""

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    seed: int = 0
    # Model: a small LlamaForCausalLM.
    vocab_size: int = 768
    hidden_size: int = 192
    intermediate_size: int = 512
    num_layers: int = 6
    num_heads: int = 3
    # Data: `batch_size` rows of `row_length` tokens a step.
    batch_size: int = 14
    row_length: int = 320
    steps: int = 4200
    tokenizer_documents: int = 20_000
    workers: int = 0
    # Optimisation: Muon for matrices, AdamW for embeddings and norms.
    muon_lr: float = 0.02
    muon_weight_decay: float = 0.01
    adamw_lr: float = 2e-3
    warmup_steps: int = 50
    decay_share: float = 0.4
    final_lr_share: float = 0.03
    max_grad_norm: float = 1.0
    # Speed: torch.compile; bf16 products where the hardware has them.
    compile: bool = True
    autocast: bool = True
    # Checkpoints: how often, and whether to keep more than the latest.
    checkpoint_every: int = 100
    keep_checkpoints: bool = False

    @property
    def tokens_per_step(self) -> int:
        """Training tokens per optimizer step: rows times their length."""
        return self.batch_size * self.row_length


PRESETS: dict[str, PretrainConfig] = {
    # The shipped model, trained on two CPU cores.
    "course": PretrainConfig(),
    # For one GPU: four times the parameters, many more tokens.
    "gpu": PretrainConfig(
        hidden_size=384,
        intermediate_size=1024,
        num_layers=8,
        num_heads=6,
        batch_size=256,
        row_length=256,
        steps=2000,
        workers=8,
        checkpoint_every=500,
    ),
    # For tests: seconds.
    "tiny": PretrainConfig(
        vocab_size=384,
        hidden_size=32,
        intermediate_size=64,
        num_layers=2,
        num_heads=2,
        batch_size=4,
        row_length=64,
        steps=20,
        tokenizer_documents=200,
        warmup_steps=4,
        autocast=False,
        compile=False,
        checkpoint_every=10,
    ),
}
