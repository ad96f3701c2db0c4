"""Losses: how a reconstruction is compared with its row."""
