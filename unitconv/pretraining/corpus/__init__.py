"""Generator of the pretraining corpus."""
