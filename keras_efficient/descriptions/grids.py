"""Limits of the grids of `ops.quantize`, for those who read them without Keras: the prices and the integer model."""

LARGEST_MIDRISE = 2  # signed grids of so few bits have no zero
SCALE_EXPONENTS = (-126, 127)  # log2 of the scales
