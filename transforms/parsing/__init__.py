"""Pure kernels that turn raw bytes and columns into signal batches and rejected records."""
