"""Simulated data: the demonstration, and what the intervals cover."""
