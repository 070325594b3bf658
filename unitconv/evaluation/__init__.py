"""Grades, reports, confidence intervals, paired tests, leaderboard."""
