"""Whether everything that a run needs is there: one module for each kind of thing that may be missing."""
