"""Throughput, roofline and memory of decoding and training."""
