"""The dress rehearsal: N virtual test-takers over HTTP, from login to receipt, through the pages that a browser uses."""


class RehearsalError(Exception):
    """The rehearsal cannot go on: the server refused what an organiser does, or did not come back."""
