"""Tasks: questions, prompts and graders by name; write your own."""
