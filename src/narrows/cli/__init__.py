"""Command line: one file per verb; nothing here is imported by the rest of narrows."""
