"""Helpers for all packages: files, run metadata, processes, errors."""
