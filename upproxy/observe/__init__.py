"""What a deployed app does: its logs."""
