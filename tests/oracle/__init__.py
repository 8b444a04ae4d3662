"""An independent reference of docs/semantics.md over plain dictionaries, and random histories for it."""
