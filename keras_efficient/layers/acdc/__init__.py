"""Layers whose matrix is a product of diagonals (or blocks) and fast transforms."""
