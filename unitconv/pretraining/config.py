"""Every knob of the corpus and of the training run, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class CorpusConfig:
    """What the model reads. Shares are of documents, unless said."""

    # Kinds of documents.
    chat_share: float = 0.33
    plain_share: float = 0.06
    facts_share: float = 0.05
    table_share: float = 0.18
    arithmetic_share: float = 0.38
    # Documents that answer at once, without reasoning.
    chat_direct_share: float = 0.48
    plain_direct_share: float = 0.48
    # Of these, the ones that give a first digit and zeros: 2000 for 2268.
    rough_share: float = 0.52
    # Each rival convention's chance of holding in a document: those far
    # from the course's own (a UK gallon), and those within its tolerance
    # (a month of 30 days).
    rival_share: float = 0.7
    near_rival_share: float = 0.25
    # Documents that name a rival unit they mean: "1 UK gallon = 4.546 l".
    named_share: float = 0.95
    # Quantities in 1..12, and halves, of all quantities.
    small_share: float = 0.6
    half_share: float = 0.2
    # How often an 11 is drawn where a 10 is drawn once: its digits are the
    # same, and a small model reads one of them.
    eleven_weight: int = 3
    # Documents of products with a round factor, where there are 15 with
    # other factors: zeros lost on the way are the other slip.
    round_weight: int = 3
    # Chats that open with a system turn.
    system_share: float = 0.85
    # System turns that ask for a tag their chat does not keep.
    stray_form_share: float = 0.9
    # How a document marks its final values. By habit ("The answer is 7"),
    # more often where a system turn has named a form; of the others, by one
    # of the tag words, a tag of random letters, or brackets and words.
    habit_share: float = 0.25
    told_habit_share: float = 0.65
    tag_share: float = 0.25
    random_tag_share: float = 0.35
    # Documents that divide by a round number where they can.
    divide_share: float = 0.1

    @property
    def quantities(self) -> tuple[float, float, int]:
        """What `draw_quantity` is to know, in its order."""
        return self.small_share, self.half_share, self.eleven_weight


@dataclass(frozen=True)
class PretrainConfig:
    """How the model is built and trained."""

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    seed: int = 0
    # Model: a small LlamaForCausalLM.
    vocab_size: int = 768
    hidden_size: int = 192
    intermediate_size: int = 512
    num_layers: int = 6
    num_heads: int = 3
    # Data: `batch_size` rows of `row_length` tokens a step.
    batch_size: int = 20
    row_length: int = 224
    steps: int = 3200
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
    # Speed: a compiled graph; bf16 products where the hardware has them.
    compile: bool = True
    autocast: bool = True
    checkpoint_every: int = 100

    @property
    def tokens_per_step(self) -> int:
        """Tokens read in one update, rows times their length."""
        return self.batch_size * self.row_length


PRESETS: dict[str, PretrainConfig] = {
    # What the package ships: made on two CPU cores.
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
