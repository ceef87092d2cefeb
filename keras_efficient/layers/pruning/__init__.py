"""Prunable layers: a mask in the forward pass, and the schedules and structures it follows."""
