"""Architectures: how the layers of encoder and decoder are laid out."""
