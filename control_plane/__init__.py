"""The control plane: what marketers and operators use, and where units and orders are decided."""
