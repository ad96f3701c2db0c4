"""Supervised: an autoencoder's encoder with a head, trained end to end for classes or numbers."""
