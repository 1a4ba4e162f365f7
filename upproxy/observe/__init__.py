"""What a deployed app does: its logs, its figures, and what they cost."""
