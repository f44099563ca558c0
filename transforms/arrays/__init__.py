"""Rows and columns in numpy, polars and Arrow, whatever they mean."""
