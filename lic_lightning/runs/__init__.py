"""A run and its folder: identity, state, lock, checkpoint, provenance. Knows no training."""
