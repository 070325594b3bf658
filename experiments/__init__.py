"""Measurements behind the book: sweeps, ablations, baselines."""
