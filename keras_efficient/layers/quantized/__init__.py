"""Quantized layers: fixed-point weights and activations with power-of-two scales that train."""
