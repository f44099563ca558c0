"""Pure kernels that turn triggers into decisions."""
