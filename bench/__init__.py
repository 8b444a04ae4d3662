"""Benchmarks: ratios against baselines of the same run, each run ending with a recount of what the engine stored."""
