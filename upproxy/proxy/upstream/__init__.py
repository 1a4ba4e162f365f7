"""The app's side: its process, the HTTP client that asks it, and what it prints."""
