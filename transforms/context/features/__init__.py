"""What windows hold: timelines, aggregates, and when they change."""
