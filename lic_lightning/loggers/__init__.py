"""Loggers beyond Lightning's own."""
