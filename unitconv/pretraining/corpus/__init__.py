"""The pretraining corpus: generated documents and their parts."""
