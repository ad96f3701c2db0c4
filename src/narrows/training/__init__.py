"""Training: one loop, and the specs of what it does at each step."""
