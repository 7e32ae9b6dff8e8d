"""Benchmarks. They run with as many threads of linear algebra as the commands do, which importing webtest, before numpy, sees to."""

import webtest  # noqa: F401
