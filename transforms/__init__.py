"""One verb a file: pure functions, then the DoFn, then the PTransform."""
