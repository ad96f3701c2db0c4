"""Pictures of models and comparisons on axes of matplotlib."""
