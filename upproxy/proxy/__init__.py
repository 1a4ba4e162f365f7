"""What runs inside Lambda: standard library only, on the default path only its C modules (cold start is imports)."""
