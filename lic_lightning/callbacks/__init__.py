"""Callbacks: what happens around training. Only these and the loggers know W&B."""
