"""`python -m webtest` is the command `cact`."""

from webtest.cli import main

main()
