"""What a trained network can do: fill, translate, generate, explain."""
