"""What goes out: transitions, triggers, contexts, statistics."""
