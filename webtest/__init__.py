"""The composition root: the web application, its services, its event log and the command line."""
