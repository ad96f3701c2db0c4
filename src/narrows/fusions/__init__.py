"""Fusions: how the codes of several views become one."""
