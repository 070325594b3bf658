"""Pretraining of the course model: corpus, tokenizer, training, card."""
