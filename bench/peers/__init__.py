"""The toy job in other systems: count, sum, 24 hourly buckets and a small score per account, durable each second."""
