"""The function that tells Slack and webhooks of alarms."""
