"""What is true from when to when: segments, moments, sequences, values that fade."""
