"""What can be configured: one entry an option, in one file a group."""
