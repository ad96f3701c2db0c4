"""Data: from what a person brings to scaled batches of tensors."""
