"""Fine-tuning: LoRA, SFT, rollouts, rejection sampling."""
