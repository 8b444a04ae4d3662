"""The product's own worker under every fault, against the independent reference told from the very same topics."""
