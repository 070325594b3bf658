"""The task: units, questions and their parser, prompts, data sets."""
