"""Commands `sft`, `rollouts`, `rft` and `rl`: train a model."""
