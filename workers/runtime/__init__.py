"""What every worker shares: environment, log, metrics, clock, Kafka clients, the consumer loop."""
