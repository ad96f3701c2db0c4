"""Model folders: saved whole or not at all, read without trust."""
