"""Serve fitted models over HTTP."""
