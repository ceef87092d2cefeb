"""Layers whose kernel is a product of small factors: Kronecker sums, low ranks, Monarch matrices, Taylor features."""
