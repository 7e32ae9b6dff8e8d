"""Calibration: responses and a bank in, a proposal out. It never opens the database."""
