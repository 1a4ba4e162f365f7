"""What stands between the event and the app, one file each: its options and a factory of handlers."""
