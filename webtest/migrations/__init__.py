"""The web's part of the database, one migration after the other."""
