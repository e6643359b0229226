"""The worker: takes signals from RabbitMQ, has each one executed once, and publishes its outcome."""
