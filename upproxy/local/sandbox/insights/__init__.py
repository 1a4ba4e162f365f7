"""CloudWatch Logs Insights: a part of its query language, over the logs that there are here."""
