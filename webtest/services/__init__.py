"""Use cases. A service is the transaction: it takes `now` (ms UTC) and `actor`, and raises Refused(code)."""
