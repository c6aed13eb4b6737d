"""Evaluation: real bytes to rows, rows to RD points and curves, curves to BD-rate. Knows no training."""
