"""Codecs: networks with `forward`, `compress` and `decompress` (CompressAI's contract), their roles and weights.

Knows no Lightning, no Hydra, no W&B.
"""
