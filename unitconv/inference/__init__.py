"""Models and decoding: loading, sampling, reference decoders, engine."""
