"""Penalties: every term of the objective that is not the reconstruction loss."""
