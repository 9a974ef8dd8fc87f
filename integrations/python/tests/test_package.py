from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from vault_context import Integration, __version__

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel made from it."""
    dist = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT], check=True, capture_output=True)
    return dist


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_what_is_built_can_be_installed_and_imported(pattern: str, built: Path, tmp_path: Path) -> None:
    venv.create(tmp_path, symlinks=True)
    python, (file,) = tmp_path / "bin/python", built.glob(pattern)
    assert f"vault_context-{__version__}" in file.name
    packages = next((tmp_path / "lib").glob("python*/site-packages"))
    # urllib3 and hatchling are this environment's, so that the test needs no index.
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", *offline, file], check=True, capture_output=True)
    code = "import vault_context, vault_context.aws_lambda; print(vault_context.__file__, vault_context.__version__)"
    said = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert said == [str(packages / "vault_context/__init__.py"), __version__]
    assert (packages / "vault_context/py.typed").exists()
    assert list(packages.glob("*.dist-info/licenses/LICENSE"))


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_examples_of_the_readme_run(example: str) -> None:
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102
    assert "handler" in names or "app" in names or "pytest_plugins" in names


def test_the_readme_names_each_option_and_each_error() -> None:
    for option in Integration.__init__.__annotations__:
        assert option == "return" or f"`{option}`" in README
    for error in re.findall(r"^class (\w+)\(VaultContextError\)", (ROOT / "src/vault_context/errors.py").read_text(), re.MULTILINE):
        assert f"`{error}`" in README


def test_the_readme_names_the_versions_that_are_pinned() -> None:
    pins = dict(line.split("==") for line in (ROOT / "requirements-dev.txt").read_text().splitlines() if "==" in line)
    for name, package in [("urllib3", "urllib3"), ("hvac", "hvac"), ("FastAPI", "fastapi"), ("Starlette", "starlette")]:
        assert f"{name} {pins[package]}" in README
    assert f"Powertools {pins['aws-lambda-powertools']}" in README
