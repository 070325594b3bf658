"""Devices, dtypes, models and adapters: what is loaded, and where."""
