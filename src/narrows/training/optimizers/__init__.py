"""Optimisers: how a step moves the weights."""
