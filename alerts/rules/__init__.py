"""Alert rules, one module per condition."""
