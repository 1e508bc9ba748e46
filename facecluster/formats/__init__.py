"""Bytes to data and back, nothing else."""
