"""Tests against real RabbitMQ nodes and real processes."""
