"""Processes killed at a chosen point, and two of a kind at once."""
