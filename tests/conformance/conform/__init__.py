"""The local cloud's wire forms against AWS's own models."""
