"""Pure scoring: events folded into columns, signals, scores and bands. No I/O, no clock, no environment."""
