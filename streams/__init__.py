"""The shell: the only package that knows Kafka, Redis, the environment and wall time."""
