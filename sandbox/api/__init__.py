"""The platforms' HTTP APIs under their real paths."""
