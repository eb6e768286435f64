"""Settings, URLs and process entry points of the control plane."""
