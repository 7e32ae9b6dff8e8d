"""The composition root: the web application, its services, its event log and the command line."""

import os

# Work is spread over threads of our own. Those of the linear algebra below numpy would only wait for each other in products as small as ours (twice the
# CPU time of a calibration on a busy machine), and are started when numpy is first imported: so before anything else.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
