"""The registry of every figure that any process shows: see `registry.py`."""
