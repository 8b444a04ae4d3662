"""Delivery channels, one module per sink."""
