"""The workers' side of the stock Redis: key names, scripts, the way to a shard's node."""
