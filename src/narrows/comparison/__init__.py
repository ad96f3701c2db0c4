"""Comparison: methods fitted to the same folds and judged by the same metrics."""
