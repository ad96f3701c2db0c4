"""Training without autograd: dense networks as one program over flat parameters."""
