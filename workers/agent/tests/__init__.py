"""The agent with stock clusters of its own, a real PostgreSQL and a real Kafka."""
