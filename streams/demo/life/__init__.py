"""Everyday life of an account, one module for each kind of event: what happens, when, and how often."""
