"""Signals, one module per dimension: each written once, for one account or a million alike."""
