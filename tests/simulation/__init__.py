"""The engine, the flush, recovery and fencing under a seeded scheduler: no sockets, no clock, no luck."""
