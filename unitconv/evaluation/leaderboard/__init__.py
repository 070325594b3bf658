"""Leaderboard: records of measured results, and tables made of them."""
