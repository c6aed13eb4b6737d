"""Metrics: one table, and what computes them of decoded images."""
