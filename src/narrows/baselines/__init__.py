"""Baselines: the methods that an autoencoder is compared with."""
