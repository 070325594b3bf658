"""The experiment of the chapter on online RL."""
