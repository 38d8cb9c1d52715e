"""Models behind HTTP for the lake: see sidecar/README.md."""
