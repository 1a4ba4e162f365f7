"""Run any ordinary web app on AWS Lambda, unchanged."""

__version__ = "0.1.0"
