"""Sources, transforms and sinks joined; options; the command line."""
