"""Reproduction: published figures of the methods, beside what narrows finds; `make reproduce`."""
