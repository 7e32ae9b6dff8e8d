"""The item bank on disk: immutable versions, content, exchange, and the database connection that everything else shares."""
