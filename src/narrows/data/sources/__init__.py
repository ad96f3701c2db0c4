"""Data that need not fit in memory."""
