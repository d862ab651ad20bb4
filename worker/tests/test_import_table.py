import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import __file__ as transformers_file
from transformers.utils import import_utils

from lmx_worker.mlx_engine.import_table import FILE_NAME, KeptTable, Table

WORKER = Path(__file__).parents[1]
MODELS = Path(transformers_file).parent / "models"
DEFINE = vars(import_utils)["define_import_structure"]
# In this process the engine may have been imported already, and with it the kept one.
DEFINE = getattr(getattr(DEFINE, "__self__", None), "_original", DEFINE)
# Without its cache, whose content transformers adds to.
ORIGINAL = getattr(DEFINE, "__wrapped__", DEFINE)


class Counted:
    """transformers' own function, and how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, module_path, prefix=None) -> Table:
        self.calls += 1
        return ORIGINAL(module_path, prefix)


def kept(directory: Path, original, fingerprint: str = "as installed") -> KeptTable:
    return KeptTable(original, MODELS, directory / FILE_NAME, fingerprint)


@pytest.fixture(scope="module")
def whole() -> Table:
    return ORIGINAL(MODELS)


def test_the_kept_table_is_the_one_transformers_makes(tmp_path, whole):
    counted = Counted()
    for table in (kept(tmp_path, counted), kept(tmp_path, counted)):
        assert table.define(MODELS) == whole
        assert table.define(str(MODELS / "__init__.py")) == whole
        assert table.define(MODELS, prefix="models") == ORIGINAL(MODELS, prefix="models")
    assert counted.calls == 1


def test_other_directories_are_left_to_transformers(tmp_path):
    counted = Counted()
    table = kept(tmp_path, counted)
    llama = MODELS / "llama" / "__init__.py"
    assert table.define(llama) == ORIGINAL(llama)
    assert counted.calls == 1
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"fingerprint": "as installed"}',
        '{"fingerprint": "as installed", "table": [[1, 2]]}',
    ],
)
def test_a_damaged_file_is_made_anew(tmp_path, whole, content):
    (tmp_path / FILE_NAME).write_text(content)
    assert kept(tmp_path, ORIGINAL).define(MODELS) == whole
    assert json.loads((tmp_path / FILE_NAME).read_text())["fingerprint"] == "as installed"


def test_another_installation_gets_another_table(tmp_path):
    kept(tmp_path, lambda *_: {frozenset(): {"old": {"Old"}}}, "before").define(MODELS)
    assert kept(tmp_path, lambda *_: {frozenset(): {"new": {"New"}}}, "after").define(MODELS) == {
        frozenset(): {"new": {"New"}}
    }


def test_where_nothing_can_be_kept_the_files_are_read(tmp_path, whole):
    assert kept(tmp_path / "missing", ORIGINAL).define(MODELS) == whole


def test_an_import_uses_what_an_earlier_one_left(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from lmx_worker.mlx_engine.import_table import kept_import_table\n"
        "with kept_import_table(Path(sys.argv[1])): import transformers\n"
        "from transformers import AutoTokenizer, PreTrainedTokenizerFast\n"
        "print('LeftByAnEarlierOne' in dir(transformers))\n"
    )

    def run() -> str:
        command = [sys.executable, "-c", program, str(tmp_path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=WORKER)
        return done.stdout.strip()

    assert run() == "False"
    file = tmp_path / FILE_NAME
    stored = json.loads(file.read_text())
    without_needs = next(modules for needs, modules in stored["table"] if not needs)
    without_needs["llama.extra"] = ["LeftByAnEarlierOne"]
    file.write_text(json.dumps(stored))
    assert run() == "True"
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
