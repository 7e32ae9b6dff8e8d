"""Routes: each parses, calls one service, renders."""
