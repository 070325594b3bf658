"""Decoding speed against Transformers, CTranslate2 and llama.cpp."""
