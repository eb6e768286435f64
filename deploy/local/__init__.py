"""The local stack: one supervised process tree with its state in `var/<profile>/`."""
