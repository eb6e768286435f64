"""Tests of the workers; what needs a server takes its address from SLUICE_*."""
