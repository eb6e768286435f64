"""The rules of Prometheus: every alert fires when it should, and is silent when it should be."""
