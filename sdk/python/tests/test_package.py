"""What is published."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*command: str, **environment: str) -> str:
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=environment or None)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_wheel_has_everything_and_can_be_imported(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    built = tmp_path / "built"
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(built), str(ROOT))
    (wheel,) = built.iterdir()
    names = set(zipfile.ZipFile(wheel).namelist())
    files = (path for path in (ROOT / "src").rglob("*") if path.is_file() and path.suffix != ".pyc")
    sources = {path.relative_to(ROOT / "src").as_posix() for path in files}
    assert "millpond/py.typed" in sources
    assert "millpond/gen/millpond/v1/task_pb2.pyi" in sources
    assert {name for name in names if name.startswith("millpond/")} == sources

    installed = tmp_path / "installed"
    run(*pip, "install", "--no-deps", "--no-index", "--target", str(installed), str(wheel))
    path = f"{installed}:{sysconfig.get_path('purelib')}"
    program = "import millpond, millpond.aio; print(millpond.__file__, millpond.__version__)"
    where, version = run(sys.executable, "-S", "-c", program, PYTHONPATH=path).split()
    assert Path(where).is_relative_to(installed)
    assert wheel.name == f"millpond-{version}-py3-none-any.whl"
