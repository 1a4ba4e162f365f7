"""Figures of a deployed app: what is asked of CloudWatch, what comes of it, and what it costs."""
