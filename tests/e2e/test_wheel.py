"""The wheel, installed alone in an empty environment, is the whole program."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return folder / "env" / "bin" / "videoteca"


def run(program: Path, folder: Path, *words: str) -> str:
    clean = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        [str(program), *words], cwd=folder, env=clean, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.timeout(300)
def test_it_says_its_version_and_speaks_spanish(program: Path, tmp_path: Path) -> None:
    assert run(program, tmp_path, "--version").startswith("videoteca 0.")
    spanish = run(program, tmp_path, "--lang", "es", "--help")
    assert "Uso:" in spanish
    assert "Muestra quién tiene un video" in spanish


@pytest.mark.timeout(300)
def test_its_demo_moves_a_real_video(program: Path, tmp_path: Path) -> None:
    outcome = json.loads(run(program, tmp_path, "--json", "demo"))
    assert outcome["identical"]
    received, original = Path(outcome["path"]), Path(outcome["original"])
    assert received.read_bytes() == original.read_bytes()
    assert received.read_bytes()[4:8] == b"ftyp"
    assert ROOT not in original.parents
