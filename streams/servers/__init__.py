"""Real servers without an installation, from Python packages: for the demo and the tests."""
