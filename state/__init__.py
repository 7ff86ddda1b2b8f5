"""What we remember between runs. Knows nothing of `controller`."""
