"""Alerts: rules over scored accounts, their state machine, wording and delivery."""
