"""Pretraining the course model: corpus, tokenizer, training, export."""
