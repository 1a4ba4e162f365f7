"""Lambda on this machine: a gateway that makes real events, an emulated Runtime API, and the runtime process behind."""
