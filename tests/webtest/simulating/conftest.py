"""The files that each of these tests starts from."""

from pathlib import Path

import pytest

from tests.webtest.small import written


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return written(tmp_path)
