"""The scheduled function that keeps instances of another function warm, on AWS and in the emulator."""
