"""One file per server: its configuration, its one-time steps, how it is seen to be healthy."""
