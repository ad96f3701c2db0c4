"""What a part is written with: specs, checks, activations, the forward pass."""
