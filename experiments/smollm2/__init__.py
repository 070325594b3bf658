"""SmolLM2-135M-Instruct through every stage of the course."""
