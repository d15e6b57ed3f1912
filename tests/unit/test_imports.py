"""What may be loaded, and by whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DATA

import qbe

PACKAGE = Path(qbe.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(module: Path) -> set[str]:
    """The top-level packages that a module imports anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def rooms_used(module: Path) -> set[str]:
    """The rooms of qbe that a module imports something of, anywhere in it: a folder, or a module beside the folders."""
    names = [node.module for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[1] for name in names if name and name.startswith("qbe.")}


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def loaded_by(arguments: list[str]) -> set[str]:
    """The top-level packages in memory after a command line."""
    code = (
        "import sys\nfrom qbe.cli import run\n"
        f"run({arguments!r})\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split("\n")[-2].split())


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["embed", "--help"], ["deform", "--help"], ["tag", "--help"], ["eval", "--help"]],
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by(arguments) & {"numpy", "rich", "torch", "onnxruntime", "soundfile", "msgpack"}


def test_a_command_loads_no_other_command() -> None:
    code = (
        "import sys\nfrom qbe.cli import run\n"
        "run(['embed', '--help'])\n"
        "print(*(name for name in sys.modules if name.startswith('qbe.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split("\n")[-2].split())
    assert "qbe.cli.embed" in loaded and not loaded & {"qbe.cli.search", "qbe.cli.train", "qbe.cli.eval"}


def test_a_search_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """NumPy's masked arrays, which some of its functions load, take as long as opening the library."""
    sounds, library = DATA / "library" / "glass", str(tmp_path / "lib.idx")
    qbe.build_library(library, sounds)
    code = (
        "import sys\nfrom qbe.cli import run\n"
        f"code = run(['search', {library!r}, {str(next(sounds.iterdir()))!r}])\n"
        "print(code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code, *loaded = done.stdout.split("\n")[-2].split()
    assert code == "0"
    assert not {"numpy.ma", "torch", "rich", "qbe.audio.ffmpeg"} & set(loaded)


# What each room may stand on. Nothing flows back.
STANDS_ON = {
    "support": set(),
    "streams": {"support"},
    "audio": {"streams", "support"},
    "encoder": {"streams", "support"},
    "search": {"audio", "encoder", "streams", "support"},
    "tags": {"search", "streams", "support"},
    "index": {"search", "streams", "support"},
    "engines": {"search", "streams", "support"},
    "browse": {"audio", "embedding", "library", "maps", "stores", "streams", "support", "tags"},
    "maps": {"search", "streams", "support"},
    "learn": {"audio", "encoder", "streams", "support"},
    "measure": {"audio", "encoder", "index", "search", "streams", "support"},
    "embedding": {"audio", "encoder", "streams", "support"},
    "stores": {"engines", "index", "search", "support"},
    "build": {"audio", "disk", "embedding", "encoder", "stores", "streams", "support"},
    "clips": {"audio", "embedding", "library"},
    "disk": {"audio", "search", "streams", "support"},
    "copies": {"audio", "search", "streams", "support"},
    "library": {"audio", "copies", "disk", "embedding", "search", "stores", "streams", "support", "tags"},
}
INDEX_STANDS_ON = {
    "file": set(),
    "near": {"file"},
    "store": {"file", "near"},
    "write": {"file", "near", "store"},
    "writer": {"file", "store", "write"},
}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_stand_on_those_below(module: Path) -> None:
    if room(module) in STANDS_ON:
        assert rooms_used(module) - {room(module)} <= STANDS_ON[room(module)]
    else:
        assert room(module) in {"__init__", "__main__", "cli"}


@pytest.mark.parametrize("module", sorted((PACKAGE / "index").rglob("*.py")), ids=lambda path: path.stem)
def test_rooms_of_the_index_stand_on_those_below(module: Path) -> None:
    own = module.relative_to(PACKAGE / "index").parts[0].removesuffix(".py")
    names = [node.module for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.ImportFrom)]
    used = {name.split(".")[2] for name in names if name and name.startswith("qbe.index.")}
    assert used - {own} <= INDEX_STANDS_ON.get(own, set())


def test_only_learn_imports_torch() -> None:
    users = {module.relative_to(PACKAGE) for module in MODULES if "torch" in imported(module)}
    assert users
    # The train command looks whether torch is there.
    assert {path for path in users if path.parts[0] != "learn"} == {Path("cli/train.py")}


def test_only_the_encoder_runs_models_and_only_training_quantises_them() -> None:
    users = {str(module.relative_to(PACKAGE)) for module in MODULES if "onnxruntime" in imported(module)}
    assert users == {"encoder.py", "learn/quantisation.py"}


def test_only_packing_and_the_library_file_import_msgpack() -> None:
    users = {str(module.relative_to(PACKAGE)) for module in MODULES if "msgpack" in imported(module)}
    assert users == {"streams/packing.py", "index/file/layout.py"}


def test_only_engines_import_clients_of_servers() -> None:
    users = {module.relative_to(PACKAGE).parts[:2] for module in MODULES if {"pymilvus", "grpc"} & imported(module)}
    assert users == {("engines", "milvus")}


@pytest.mark.parametrize("module", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_the_command_line_loads_only_typer_at_its_top(module: Path) -> None:
    tops = [node for node in ast.parse(module.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else node.names[0].name.split(".")[0]
        for node in tops
    }
    assert names <= set(sys.stdlib_module_names) | {"typer", "qbe"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_short(module: Path) -> None:
    assert module.read_text().count("\n") < 300
