"""What streams do: rate, latency, a soak, a burst; the real `segone run` between real brokers."""
