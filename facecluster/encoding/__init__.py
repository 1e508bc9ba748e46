"""Photos to a face table."""
