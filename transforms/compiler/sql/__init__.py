"""What each construct of an SQL expression means, as tables from names and nodes to polars."""
