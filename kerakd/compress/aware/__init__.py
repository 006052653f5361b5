"""Compression that a network takes part in: it learns on while it is compressed."""
