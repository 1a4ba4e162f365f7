"""Benchmarks: what the hop through Lambda's Runtime API costs, beside the same app asked directly."""
