"""The trivial apps that are served while the proxy is measured: the same answers in two frameworks."""
