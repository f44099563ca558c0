"""State as bytes."""
