"""Where a stream publishes to: brokers, one interface for all; nothing here knows Beam."""
