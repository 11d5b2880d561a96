"""Every compiled module that Python can use has a stub; whether it is true is asked of stubtest."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "ngxloop").glob("**/*.pyx"))


@pytest.mark.parametrize(
    "source", SOURCES, ids=lambda source: f"{source.parent.name}.{source.stem}"
)
def test_stub_of_a_module_that_python_can_use_exists(source: Path):
    name = ".".join(source.relative_to(ROOT).with_suffix("").parts)
    module = importlib.import_module(name)
    own = {key for key, value in vars(module).items() if getattr(value, "__module__", "") == name}
    public = {key for key in own if not key.startswith("_")}
    assert not public or source.with_suffix(".pyi").exists(), f"no stub for {public}"


@pytest.mark.parametrize(
    "stub", sorted((ROOT / "ngxloop").glob("**/*.pyi")), ids=lambda stub: stub.stem
)
def test_stub_has_its_module(stub: Path):
    assert stub.with_suffix(".pyx").exists()
