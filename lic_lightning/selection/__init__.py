"""Which encoder for which photograph: K encoders, one decoder. Knows no Lightning, no Hydra."""
