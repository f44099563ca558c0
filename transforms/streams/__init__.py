"""Reading what does not end: brokers and folders, one interface for all; nothing here knows Beam."""
