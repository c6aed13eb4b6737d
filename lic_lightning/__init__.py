"""Specialise learned image codecs under a fixed decoder, and read BD-rate against the pretrained reference."""

__version__ = "0.1.0"
