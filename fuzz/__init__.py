"""Fuzzers for all that strangers' bytes reach: `python -m fuzz TARGET`."""
