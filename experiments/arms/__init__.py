"""The arms of the course's experiment: prompts, trainings and controls."""
