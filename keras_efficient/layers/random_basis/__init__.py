"""Layers whose kernels come from a seed and a few coordinates."""
