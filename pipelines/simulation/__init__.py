"""A town that does not exist: its people, what they do with their lines, and the truth about them."""
